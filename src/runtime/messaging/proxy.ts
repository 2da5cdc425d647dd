import { NEVER_REMOTE } from '../../protocol/method-table.js'

type Invoke = (method: string, args: unknown[]) => unknown

/**
 * An object whose every property is a remote method. `then`, `toJSON`, symbols and what every object inherits are not: the
 * proxy can be awaited, printed and compared without anything being called. It has no prototype, so those are simply not
 * there.
 */
export function methodProxy(invoke: Invoke, description: string): object {
  const methods = new Map<string, (...args: unknown[]) => unknown>()
  return new Proxy(Object.create(null) as object, {
    get(_, property) {
      if (property === Symbol.toStringTag) return description
      if (typeof property === 'symbol' || NEVER_REMOTE.has(property)) return undefined
      let method = methods.get(property)
      if (!method) {
        method = (...args) => invoke(property, args)
        methods.set(property, method)
      }
      return method
    },
    has: (_, property) => typeof property === 'string' && !NEVER_REMOTE.has(property),
    set: () => false,
    defineProperty: () => false,
  })
}
