/** What must hold of whatever was read, and of the process that has read it. */

const PROTOTYPES = [Object, Array, Function, Error, Map, Set, Date, RegExp, Promise].map(({ prototype }) => prototype)
const shapes = PROTOTYPES.map(shapeOf)

function shapeOf(prototype: object): string {
  return Reflect.ownKeys(prototype).map(String).join()
}

/** Names the prototype that somebody has changed. */
export function polluted(): string | undefined {
  if (({} as Record<string, unknown>).polluted !== undefined) return '({}).polluted'
  const index = PROTOTYPES.findIndex((prototype, at) => shapeOf(prototype) !== shapes[at])
  return index < 0 ? undefined : `${PROTOTYPES[index]?.constructor.name}.prototype`
}

const KINDS = new Set<unknown>(
  [Object, Array, Error, Map, Set, Date, RegExp, URL, ArrayBuffer].map(({ prototype }) => prototype),
)

/**
 * Says what is wrong with a value: a function anywhere (so that no `await` and no comparison can call it), a prototype of
 * anybody's making, an own `__proto__`.
 */
export function harm(root: unknown): string | undefined {
  const seen = new Set<unknown>()
  const stack: unknown[] = [root]
  while (stack.length > 0) {
    const value = stack.pop()
    if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) continue
    seen.add(value)
    if (!KINDS.has(Object.getPrototypeOf(value))) return 'a prototype of its own'
    if (Object.hasOwn(value, '__proto__')) return 'an own __proto__'
    for (const name of Object.getOwnPropertyNames(value)) stack.push((value as Record<string, unknown>)[name])
    if (value instanceof Map) for (const entry of value) stack.push(...entry)
    else if (value instanceof Set) for (const entry of value) stack.push(entry)
  }
  return undefined
}
