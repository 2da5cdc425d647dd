/**
 * What JSON does not keep, as JSON. `json` is the value with a stand-in for whatever JSON has no form of, and `meta.values`
 * says what stands where: a tree of the same shape as `json`, with nothing where there is nothing to say.
 *
 *     { at: new Date(0), ids: new Set([1n]) }
 *     {"json":{"at":0,"ids":["1"]},"meta":{"v":2,"values":{"at":["Date"],"ids":["set",{"0":["bigint"]}]}}}
 *
 * superjson's idea, with two differences: annotations nest as the value does, so that no path has to be followed from the
 * root, and a value that is met again is a number, so that no path has to be written. Its own reader takes 100 ms for some
 * texts of 100 kB, and overflows the stack at lists 1 400 deep; reading and writing this form takes time in proportion to the
 * text, whatever the text (`npm run fuzz`).
 */
export interface RichForm {
  readonly json: unknown
  /** `refs`: containers are numbered in the order in which they begin, and a `["ref"]` stands for the one of that number. */
  readonly meta?: { readonly v: typeof FORM_VERSION; readonly values: Annotation; readonly refs?: true }
}

/** `[type]`, `[type, children]`, or for an object or array that JSON keeps, the children alone. */
export type Annotation = readonly [type: string] | readonly [type: string, children: Children] | Children

/** By key, or index. Of a Map: keys and values by turns. Of an Error: its cause and own properties. */
export interface Children {
  [key: string]: Annotation
}

export const FORM_VERSION = 2

/** Deeper values are refused on both sides: about as deep as V8 writes JSON before its stack is full. */
export const MAX_DEPTH = 4_096

/** BigInt parses in quadratic time. */
export const MAX_DIGITS = 1_000

/** An Error, in place of itself. Its name and message travel apart from what it owns. */
export interface ErrorForm {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly own: Readonly<Record<string, unknown>>
}
