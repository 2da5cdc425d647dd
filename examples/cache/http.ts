/**
 * The HTTP side: JSON in, JSON out, also for errors.
 *
 *     GET    /items/:key    200 { key, version, value }   404
 *     PUT    /items/:key    201 or 200 { key, version }   the body is the value, any JSON up to 64 KiB
 *     DELETE /items/:key    200 { key, version }          404
 *
 * A write answers when no worker serves the old item any more. If that is not certain it answers 503 `not-confirmed`:
 * the write is in the database, but a worker has not confirmed in time, and may serve the old item until it gets to it.
 * PUT and DELETE may be repeated, and the repetition confirms anew: that is what `Retry-After` asks for.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { ReadThroughCache } from './cache.js'
import type { Item } from './contract.js'
import { type ItemStore, isBusy } from './store.js'

const BODY_LIMIT = 64 * 1024
const KEY = /^[\w.:~-]{1,128}$/

export interface ItemsApi {
  /** The id of this worker, sent with every answer. */
  readonly worker: number
  readonly store: ItemStore
  readonly cache: ReadThroughCache<Item>
  /** Makes every worker forget the item. Gives the ids of those that might still have it; rejects when nobody can know. */
  readonly invalidate: (key: string) => Promise<number[]>
}

interface Answer {
  readonly status: number
  /** JSON text. */
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Thrown anywhere on the way, answered as it says. */
class Refusal extends Error {
  readonly answer: Answer

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}, details = {}) {
    super(message)
    this.answer = { status, body: JSON.stringify({ error: { code, message, ...details } }), headers }
  }
}

export function itemsApi(api: ItemsApi): RequestListener {
  return (request, response) => {
    void answer(api, request)
      .catch(answerToError)
      .then((answered) => send(response, answered, api.worker))
  }
}

async function answer(api: ItemsApi, request: IncomingMessage): Promise<Answer> {
  const key = readKey(request.url ?? '/')
  switch (request.method) {
    case 'GET':
    case 'HEAD': // Node leaves the body out.
      return get(api, key)
    case 'PUT':
      return put(api, key, await readJson(request))
    case 'DELETE':
      return remove(api, key)
    default:
      throw new Refusal(405, 'method-not-allowed', `An item knows GET, PUT and DELETE, not ${request.method}`, {
        allow: 'GET, HEAD, PUT, DELETE',
      })
  }
}

async function get({ cache, store }: ItemsApi, key: string): Promise<Answer> {
  const { value: item, isHit } = await cache.read(key, store.read)
  const headers = { 'x-cache': isHit ? 'hit' : 'miss' }
  if (!item) throw new Refusal(404, 'not-found', `There is no item ${key}`, headers)
  return { status: 200, body: `{"key":"${key}","version":${item.version},"value":${item.value}}`, headers }
}

async function put(api: ItemsApi, key: string, value: string): Promise<Answer> {
  const { version, isNew } = api.store.write(key, value)
  await confirm(api, key)
  return { status: isNew ? 201 : 200, body: JSON.stringify({ key, version }) }
}

async function remove(api: ItemsApi, key: string): Promise<Answer> {
  const version = api.store.remove(key)
  // Also where there was nothing to remove: this may be the repetition of a DELETE that was not confirmed.
  await confirm(api, key)
  if (version === undefined) throw new Refusal(404, 'not-found', `There is no item ${key}`)
  return { status: 200, body: JSON.stringify({ key, version }) }
}

/** After the write, never before: a worker that forgets too early reads the old row again. */
async function confirm({ invalidate }: ItemsApi, key: string): Promise<void> {
  let unconfirmed: number[] | undefined
  try {
    unconfirmed = await invalidate(key)
    if (unconfirmed.length === 0) return
  } catch (error) {
    console.error(`No worker could be told that ${key} has changed:`, error)
  }
  const who = unconfirmed ? `worker ${unconfirmed.join(', ')} has` : 'the workers have'
  const message = `The change of ${key} is stored, but ${who} not confirmed it and may serve the old item. Repeat the request`
  throw new Refusal(503, 'not-confirmed', message, { 'retry-after': '1' }, { stored: true, workers: unconfirmed ?? [] })
}

function readKey(url: string): string {
  const [, segment] = /^\/items\/([^/?]*)(?:\?|$)/.exec(url) ?? []
  if (segment === undefined) throw new Refusal(404, 'no-such-resource', 'Items are at /items/:key')
  const key = decode(segment)
  if (key !== undefined && KEY.test(key)) return key
  throw new Refusal(400, 'bad-key', 'Expected a key of 1 to 128 letters, digits, or any of _ . : ~ -')
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** Gives the body as JSON text without spaces. */
async function readJson(request: IncomingMessage): Promise<string> {
  const { 'content-type': type = '', 'content-encoding': encoding } = request.headers
  if (type.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json' || encoding !== undefined)
    throw new Refusal(415, 'bad-content-type', 'Expected a body of type application/json, not compressed')
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) throw tooLarge()
  const body = await readBody(request)
  try {
    return JSON.stringify(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
  } catch {
    throw new Refusal(400, 'bad-json', 'The body is not JSON in UTF-8')
  }
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= BODY_LIMIT) return
      // What is over the limit flows by unkept: closing instead would reset the connection before the answer is read.
      chunks = []
      reject(tooLarge())
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', () => reject(new Refusal(400, 'cut-off', 'The connection ended before the body did')))
  })
}

function tooLarge(): Refusal {
  return new Refusal(413, 'too-large', `Expected a body of at most ${BODY_LIMIT} bytes`)
}

function answerToError(error: unknown): Answer {
  if (error instanceof Refusal) return error.answer
  if (isBusy(error)) return new Refusal(503, 'busy', 'The database is busy. Try again', { 'retry-after': '1' }).answer
  console.error(error)
  return new Refusal(500, 'internal', 'Something went wrong here').answer
}

function send(response: ServerResponse, { status, body, headers }: Answer, worker: number): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    // Nobody tells caches between here and the client that an item has changed.
    'cache-control': 'no-store',
    'x-worker': worker,
    ...headers,
  })
  response.end(body)
}
