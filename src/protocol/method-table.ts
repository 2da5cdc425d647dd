/** What a worker announces of its methods, so that callers know a method's own deadline and the router its traits. */
export interface MethodTraits {
  /** May be carried out twice without harm. */
  readonly idempotent?: boolean | undefined
  /** The method's own default deadline in ms. */
  readonly timeout?: number | undefined
  /** How many of its calls run at once. */
  readonly concurrency?: number | undefined
  /** It is read with `stream`, not called. */
  readonly stream?: boolean | undefined
}

export type MethodTable = Readonly<Record<string, MethodTraits>>

export const NO_METHODS: MethodTable = Object.freeze({})

/** A table's entry by an own name; an inherited name (`constructor`) is never a method. */
export function traitsOf(table: MethodTable, method: string): MethodTraits | undefined {
  return Object.hasOwn(table, method) ? table[method] : undefined
}

/** Names that are never remote: every object has them, or `await` and `JSON.stringify` call them of their own accord. */
export const NEVER_REMOTE: ReadonlySet<string> = new Set([
  'then',
  'toJSON',
  ...Object.getOwnPropertyNames(Object.prototype),
])
