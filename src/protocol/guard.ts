import { MAX_DEPTH } from './rich-form.js'

/** So deep the stack of this process is used; below that, lists. */
const SHALLOW = 64

/**
 * What arrives as plain JSON is used as it is. It cannot hold a function, so that it is harmless but for two things: a
 * property named `__proto__`, which JSON.parse makes and an assignment would turn into a prototype, and a depth that would
 * overflow the stack of whoever walks it. Throws a plain Error; `payload.ts` makes it a `PayloadError`.
 */
export function guardPlain(json: unknown, depth = 0): void {
  if (isContainer(json)) guard(json, MAX_DEPTH - depth, SHALLOW)
}

function guard(container: object, left: number, shallow: number): void {
  if (left < 0) throw new Error(`is nested more than ${MAX_DEPTH} levels deep`)
  if (shallow === 0) return guardDeep(container, left)
  if (Array.isArray(container)) {
    for (let index = 0; index < container.length; index++) {
      const entry: unknown = container[index]
      if (isContainer(entry)) guard(entry, left - 1, shallow - 1)
    }
    return
  }
  for (const key in container) {
    if (key === '__proto__') throw new Error('has a property named __proto__')
    const entry = (container as Record<string, unknown>)[key]
    if (isContainer(entry)) guard(entry, left - 1, shallow - 1)
  }
}

/** Level by level: the depth is then known without a note at each value. */
function guardDeep(container: object, left: number): void {
  for (let level = [container]; level.length > 0; left--) {
    if (left < 0) throw new Error(`is nested more than ${MAX_DEPTH} levels deep`)
    const next: object[] = []
    for (const one of level) {
      if (Array.isArray(one)) {
        for (const entry of one as unknown[]) if (isContainer(entry)) next.push(entry)
        continue
      }
      for (const key in one) {
        if (key === '__proto__') throw new Error('has a property named __proto__')
        const entry = (one as Record<string, unknown>)[key]
        if (isContainer(entry)) next.push(entry)
      }
    }
    level = next
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
