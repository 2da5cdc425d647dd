import type { ServerResponse } from 'node:http'

type HeadArguments = Parameters<ServerResponse['writeHead']>

const NAME = 'Set-Cookie'

/**
 * Adds a cookie to a response in the moment that its head is written: set before, it would be lost to a program that sets
 * cookies of its own, by `setHeader` or in the arguments of `writeHead`.
 */
export function addCookie(response: ServerResponse, cookie: string): void {
  const { writeHead } = response
  response.writeHead = function (this: ServerResponse, ...given: unknown[]): ServerResponse {
    response.writeHead = writeHead
    const headers = given.at(-1)
    const merged = mergeInto(headers, cookie)
    if (merged) given[given.length - 1] = merged
    else this.appendHeader(NAME, cookie)
    return writeHead.apply(this, given as HeadArguments)
  } as ServerResponse['writeHead']
}

/** The headers given to `writeHead` with the cookie among theirs; undefined when they have none, and so replace none. */
function mergeInto(headers: unknown, cookie: string): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  if (Array.isArray(headers)) {
    const isPairs = Array.isArray(headers[0])
    const names = isPairs ? headers.map(([name]) => name) : headers.filter((_, index) => index % 2 === 0)
    if (!names.some(isCookie)) return undefined
    return isPairs ? [...headers, [NAME, cookie]] : [...headers, NAME, cookie]
  }
  const own = Object.keys(headers).find(isCookie)
  if (own === undefined) return undefined
  return { ...headers, [own]: [(headers as Record<string, unknown>)[own], cookie].flat() }
}

function isCookie(name: unknown): boolean {
  return String(name).toLowerCase() === 'set-cookie'
}
