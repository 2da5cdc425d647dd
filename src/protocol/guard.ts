/**
 * Stands before superjson on the receiving side. What arrives is checked as data before anything is built from it: it
 * cannot reach a prototype, make a thenable, or name a transformation that we do not use (CVE-2022-23631 and its kind).
 * Throws a plain Error whose message says what was wrong; `payload.ts` makes it a `PayloadError`.
 */

/** Transformations that our own encoder produces. Typed arrays, classes, symbols and superjson's errors are not among them. */
const LEAVES = new Set(['undefined', 'bigint', 'Date', 'regexp', 'number', 'URL'])
const CONTAINERS = new Set(['set', 'map'])
const CUSTOM_LEAF = 'binary'
const CUSTOM_CONTAINER = 'error'

/** BigInt parses in quadratic time; a regular expression is compiled. */
export const MAX_DIGITS = 1_000
export const MAX_PATTERN = 1_000
const MAX_DEPTH = 4_096

type Json = unknown

export function guardPlain(json: Json): void {
  const stack: { value: Json; depth: number }[] = [{ value: json, depth: 0 }]
  for (let at = stack.pop(); at; at = stack.pop()) {
    const { value, depth } = at
    if (typeof value !== 'object' || value === null) continue
    if (depth > MAX_DEPTH) throw new Error(`is nested more than ${MAX_DEPTH} levels deep`)
    if (Object.hasOwn(value, '__proto__')) throw new Error('has a property named __proto__')
    for (const entry of Object.values(value)) {
      if (typeof entry === 'object' && entry !== null) stack.push({ value: entry, depth: depth + 1 })
    }
  }
}

export function guardRich(rich: unknown): void {
  if (!isRecord(rich)) throw new Error('is not an encoded value')
  guardPlain(rich.json)
  const meta = rich.meta
  if (meta === undefined) return
  if (!isRecord(meta) || meta.v !== 1) throw new Error('has annotations of an unknown version')
  const sealed = new Set<Json>()
  if (meta.values !== undefined) guardTree(meta.values, rich.json, sealed)
  if (meta.referentialEqualities !== undefined) guardEqualities(meta.referentialEqualities, rich.json, sealed)
}

/**
 * References are set one after the other, so that a path which led through own keys alone when it was checked can lead
 * through inherited ones when its turn comes. What it then finds is a function: none may be in the result.
 */
export function guardResult(result: unknown): void {
  const seen = new Set<unknown>()
  const stack = [result]
  while (stack.length > 0) {
    const value = stack.pop()
    if (typeof value === 'function') throw new Error('has a reference that leads to a function')
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Map || value instanceof Set) for (const entry of value) stack.push(entry)
    else for (const key of Object.getOwnPropertyNames(value)) stack.push((value as Record<string, unknown>)[key])
  }
}

/** `tree` is `[type]`, `[type, children]`, or `children`: an object from path to tree, as superjson nests its annotations. */
function guardTree(tree: unknown, json: Json, sealed: Set<Json>): void {
  const stack: { tree: unknown; json: Json; depth: number }[] = [{ tree, json, depth: 0 }]
  for (let at = stack.pop(); at; at = stack.pop()) {
    if (at.depth > MAX_DEPTH) throw new Error('has annotations nested too deep')
    let children: unknown = at.tree
    if (Array.isArray(at.tree)) {
      if (at.tree.length === 0 || at.tree.length > 2) throw new Error('has a malformed annotation')
      guardType(at.tree[0], at.json, at.tree.length > 1, sealed)
      children = at.tree[1]
    }
    if (children === undefined) continue
    if (!isRecord(children)) throw new Error('has a malformed annotation')
    for (const [path, subtree] of Object.entries(children)) {
      stack.push({ tree: subtree, json: follow(at.json, path, sealed), depth: at.depth + 1 })
    }
  }
}

function guardType(type: unknown, json: Json, hasChildren: boolean, sealed: Set<Json>): void {
  if (Array.isArray(type)) {
    if (type.length === 2 && type[0] === 'custom' && type[1] === CUSTOM_CONTAINER && isRecord(json)) return
    if (type.length === 2 && type[0] === 'custom' && type[1] === CUSTOM_LEAF && isRecord(json) && !hasChildren) {
      sealed.add(json)
      return
    }
  } else if (typeof type === 'string') {
    if (CONTAINERS.has(type) && Array.isArray(json) && (type === 'set' || json.every(isEntry))) return
    if (LEAVES.has(type) && !hasChildren && isLeaf(type, json)) return
  }
  throw new Error(`has an annotation that is not allowed (${JSON.stringify(type)?.slice(0, 60)})`)
}

function isLeaf(type: string, json: Json): boolean {
  switch (type) {
    case 'undefined':
      return json === null
    case 'bigint':
      return typeof json === 'string' && json.length <= MAX_DIGITS && /^-?\d+$/.test(json)
    case 'regexp':
      return typeof json === 'string' && json.length <= MAX_PATTERN
    case 'number':
      return json === 'NaN' || json === 'Infinity' || json === '-Infinity' || json === '-0'
    default:
      return typeof json === 'string'
  }
}

/** `{ path: [paths] }`, or `[[paths of the root], { path: [paths] }]`. Every path must lead somewhere in the data. */
function guardEqualities(equalities: unknown, json: Json, sealed: Set<Json>): void {
  const [root, others] = Array.isArray(equalities) ? equalities : [[], equalities]
  if (!Array.isArray(root)) throw new Error('has malformed references')
  for (const path of root) follow(json, path, sealed)
  if (others === undefined) return
  if (!isRecord(others)) throw new Error('has malformed references')
  for (const [path, copies] of Object.entries(others)) {
    follow(json, path, sealed)
    if (!Array.isArray(copies)) throw new Error('has malformed references')
    for (const copy of copies) follow(json, copy, sealed)
  }
}

/** Walks a superjson path (`a.b\.c.0`) over own keys alone. */
function follow(json: Json, path: unknown, sealed: Set<Json>): Json {
  if (typeof path !== 'string') throw new Error('has a path that is not a text')
  let at = json
  for (const key of parsePath(path)) {
    const index = Array.isArray(at) ? /^\d+$/.test(key) : isRecord(at)
    if (!index || sealed.has(at) || !Object.hasOwn(at as object, key)) throw new Error('has a path that leads nowhere')
    at = (at as Record<string, unknown>)[key]
  }
  return at
}

/** superjson's escaping: a dot ends a step, `\.` is a dot in it, `\\` a backslash. */
export function parsePath(path: string): string[] {
  const steps: string[] = []
  let step = ''
  for (let index = 0; index < path.length; index++) {
    const character = path.charAt(index)
    if (character === '\\') step += path.charAt(++index)
    else if (character === '.') {
      steps.push(step)
      step = ''
    } else step += character
  }
  steps.push(step)
  return steps
}

function isEntry(value: Json): boolean {
  return Array.isArray(value) && value.length === 2
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
