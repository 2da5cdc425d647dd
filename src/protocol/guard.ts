import { MAX_DEPTH } from './rich-form.js'

/**
 * What arrives as plain JSON is used as it is. It cannot hold a function, so that it is harmless but for two things: a
 * property named `__proto__`, which JSON.parse makes and an assignment would turn into a prototype, and a depth that would
 * overflow the stack of whoever walks it. Throws a plain Error; `payload.ts` makes it a `PayloadError`.
 */
export function guardPlain(json: unknown, depth = 0): void {
  let left = MAX_DEPTH - depth
  // Level by level: the depth is then known without a note at each value.
  for (let level = isContainer(json) ? [json] : []; level.length > 0; left--) {
    if (left < 0) throw new Error(`is nested more than ${MAX_DEPTH} levels deep`)
    const next: object[] = []
    for (const container of level) {
      if (Array.isArray(container)) {
        for (const entry of container) if (isContainer(entry)) next.push(entry)
        continue
      }
      if (Object.hasOwn(container, '__proto__')) throw new Error('has a property named __proto__')
      for (const key in container) {
        const entry = (container as Record<string, unknown>)[key]
        if (isContainer(entry)) next.push(entry)
      }
    }
    level = next
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
