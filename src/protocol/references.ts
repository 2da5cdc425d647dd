import { PayloadError } from './errors.js'
import { parsePath } from './guard.js'
import { stepTo } from './inspect.js'

/**
 * A value that contains itself is sent as a tree and a list of references, each set at its path when the tree stands.
 * superjson cannot do that inside an Error, and a member of a Set or a key of a Map it puts at the end, so that the next
 * reference meets another one. Such references are refused here, because they would arrive wrong or not at all.
 */
export function refuseLostReferences(value: unknown, equalities: unknown, root: string): void {
  for (const path of copiesIn(equalities)) {
    const place = locate(value, parsePath(path))
    if (place.lost)
      throw new PayloadError({
        path: `${root}${place.path}`,
        reason:
          'is met at another place too, which a Set, the keys of a Map and an Error cannot keep in a value that contains ' +
          'itself. Send an array, or an id instead of the object',
      })
  }
}

/** `{ path: [paths] }`, or `[[paths of the root], { path: [paths] }]`. */
function copiesIn(equalities: unknown): readonly string[] {
  const [ofRoot, others] = Array.isArray(equalities) ? equalities : [[], equalities]
  return [...ofRoot, ...Object.values((others ?? {}) as Record<string, string[]>).flat()]
}

function locate(value: unknown, steps: readonly string[]): { path: string; lost: boolean } {
  let at = value
  let path = ''
  let lost = false
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index] as string
    const isLast = (): boolean => index === steps.length - 1
    if (at instanceof Map) {
      const [key, entry] = [...at][Number(step)] as [unknown, unknown]
      const isKey = steps[++index] === '0'
      path += isKey ? `.keys()[${step}]` : `.get(${typeof key === 'string' ? JSON.stringify(key) : `keys()[${step}]`})`
      lost ||= isKey && isLast()
      at = isKey ? key : entry
    } else if (at instanceof Set) {
      path += `.values()[${step}]`
      lost ||= isLast()
      at = [...at][Number(step)]
    } else {
      path += Array.isArray(at) ? `[${step}]` : stepTo(step)
      lost ||= at instanceof Error
      at = (at as Record<string, unknown>)[step]
    }
  }
  return { path, lost }
}
