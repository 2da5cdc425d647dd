import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ReadThroughCache } from '../../examples/cache/cache.js'
import type { Item } from '../../examples/cache/contract.js'
import { itemsApi } from '../../examples/cache/http.js'
import { type ItemStore, openStore, prepareStore } from '../../examples/cache/store.js'
import { HttpConnection, type HttpRequest } from './http-connection.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const invalidate = vi.fn<(key: string) => Promise<number[]>>()
let directory: string
let store: ItemStore
let server: Server
let client: HttpConnection

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'troupe-cache-'))
  prepareStore(join(directory, 'items.db'))
  store = openStore(join(directory, 'items.db'))
  const cache = new ReadThroughCache<Item>({ maxEntries: 10, maxSize: 1_000_000, sizeOf: ({ value }) => value.length })
  invalidate.mockReset().mockImplementation(async (key) => {
    cache.invalidate(key)
    return []
  })
  server = createServer(itemsApi({ worker: 7, store, cache, invalidate })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = new HttpConnection(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
afterEach(async () => {
  client.close()
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
  store.close()
  rmSync(directory, { recursive: true })
})

/** The body comes parsed; what every answer must have is checked here. */
async function send(method: string, path: string, options?: HttpRequest) {
  const { status, headers, body } = await client.send(method, path, options)
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-worker': '7',
  })
  return { status, headers, body: body === '' ? undefined : JSON.parse(body) }
}

const put = (path: string, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
  send('PUT', path, { headers, body })
const answer = (status: number, body: unknown) => ({ status, body })
const refusal = (status: number, code: string) => answer(status, { error: { code, message: expect.any(String) } })

it('creates, reads, replaces and deletes an item, and never uses a version twice', async () => {
  expect(await put('/items/tea', '{ "cups": 3 }')).toMatchObject(answer(201, { key: 'tea', version: 1 }))
  const read = await send('GET', '/items/tea')
  expect(read).toMatchObject(answer(200, { key: 'tea', version: 1, value: { cups: 3 } }))
  expect(read.headers['x-cache']).toBe('miss')
  expect((await send('GET', '/items/tea?again')).headers['x-cache']).toBe('hit')
  expect(await put('/items/tea', 'null')).toMatchObject(answer(200, { key: 'tea', version: 2 }))
  expect(await send('GET', '/items/tea')).toMatchObject(answer(200, { version: 2, value: null }))
  expect(await send('DELETE', '/items/tea')).toMatchObject(answer(200, { key: 'tea', version: 2 }))
  expect(await send('GET', '/items/tea')).toMatchObject(refusal(404, 'not-found'))
  expect(await send('DELETE', '/items/tea')).toMatchObject(refusal(404, 'not-found'))
  expect(await put('/items/tea', '1')).toMatchObject(answer(201, { version: 3 }))
})

it('answers HEAD as GET, without the body', async () => {
  await put('/items/tea', '"black"')
  expect(await send('HEAD', '/items/tea')).toMatchObject({
    status: 200,
    headers: { 'content-length': '41' },
    body: undefined,
  })
})

it('keeps keys and values as they were sent', async () => {
  for (const key of ['a', 'A', 'user:1', 'x'.repeat(128), '__proto__', 'constructor']) {
    const value = { key, quotes: '"\\', unicode: 'tëa 🍵', __proto__: 1, nested: [1.5, null, true] }
    expect((await put(`/items/${key}`, JSON.stringify(value))).status).toBe(201)
    expect(await send('GET', `/items/${key}`)).toMatchObject(answer(200, { key, value }))
  }
  expect(await send('GET', '/items/%75ser%3A1')).toMatchObject(answer(200, { key: 'user:1' }))
})

it('refuses what is no key, no resource or no method of an item', async () => {
  for (const key of ['', '%', '%ff', 'a%2Fb', 'a%20b', 'x'.repeat(129)])
    expect(await send('GET', `/items/${key}`), key).toMatchObject(refusal(400, 'bad-key'))
  for (const path of ['/', '/items', '/items/a/b', '/other/a'])
    expect(await send('GET', path), path).toMatchObject(refusal(404, 'no-such-resource'))
  const posted = await send('POST', '/items/tea', { headers: JSON_TYPE, body: '1' })
  expect(posted).toMatchObject(refusal(405, 'method-not-allowed'))
  expect(posted.headers.allow).toBe('GET, HEAD, PUT, DELETE')
})

it('refuses bodies that are not JSON', async () => {
  for (const body of ['', '{', 'undefined', '{"a":1} {"b":2}', Buffer.from([0x22, 0xff, 0x22])])
    expect(await put('/items/tea', body), String(body)).toMatchObject(refusal(400, 'bad-json'))
  const wrongTypes: Record<string, string>[] = [
    {},
    { 'content-type': 'text/plain' },
    { ...JSON_TYPE, 'content-encoding': 'gzip' },
  ]
  for (const headers of wrongTypes)
    expect(await put('/items/tea', '1', headers)).toMatchObject(refusal(415, 'bad-content-type'))
  expect((await put('/items/tea', '1', { 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(201)
})

it('takes 64 KiB and no more, whether the length is announced or not', async () => {
  const largest = JSON.stringify('x'.repeat(64 * 1024 - 2))
  expect((await put('/items/tea', largest)).status).toBe(201)
  for (const headers of [JSON_TYPE, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }]) {
    expect(await put('/items/tea', `${largest} `, headers)).toMatchObject(refusal(413, 'too-large'))
    expect(await put('/items/tea', 'x'.repeat(1_000_000), headers)).toMatchObject(refusal(413, 'too-large'))
  }
  expect(await send('GET', '/items/tea')).toMatchObject(answer(200, { version: 1 }))
})

it('says so when a worker has not confirmed, and takes the repetition', async () => {
  invalidate.mockResolvedValueOnce([3, 4])
  expect(await put('/items/tea', '1')).toMatchObject({
    ...answer(503, { error: { code: 'not-confirmed', stored: true, workers: [3, 4] } }),
    headers: { 'retry-after': '1' },
  })
  expect(await put('/items/tea', '1')).toMatchObject(answer(200, { version: 2 }))

  invalidate.mockResolvedValueOnce([3])
  expect(await send('DELETE', '/items/tea')).toMatchObject(refusal(503, 'not-confirmed'))
  expect(await send('DELETE', '/items/tea')).toMatchObject(refusal(404, 'not-found'))
  expect(invalidate).toHaveBeenCalledTimes(4)
})

it('claims no success either when nobody could be told at all', async () => {
  const log = vi.spyOn(console, 'error').mockReturnValue()
  invalidate.mockRejectedValueOnce(new Error('the cluster is stopping'))
  expect(await put('/items/tea', '1')).toMatchObject(refusal(503, 'not-confirmed'))
  expect(log).toHaveBeenCalledOnce()
  log.mockRestore()
})

it('says that the database is busy when another process keeps it locked', async () => {
  const { default: Database } = await import('libsql')
  const other = new Database(join(directory, 'items.db'))
  other.exec('BEGIN IMMEDIATE')
  expect(await put('/items/tea', '1')).toMatchObject({ ...refusal(503, 'busy'), headers: { 'retry-after': '1' } })
  expect(invalidate).not.toHaveBeenCalled()
  other.exec('ROLLBACK')
  other.close()
  expect((await put('/items/tea', '1')).status).toBe(201)
})

it('survives a client that leaves in the middle of its body', async () => {
  const log = vi.spyOn(console, 'error').mockReturnValue()
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write(
    'PUT /items/tea HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a"',
  )
  const [request] = await once(server, 'request')
  socket.destroy()
  // Not `once` of node:events, which would reject with the error that comes before.
  await new Promise((resolve) => request.once('close', resolve))
  expect((await send('GET', '/items/tea')).status).toBe(404)
  expect(log).not.toHaveBeenCalled()
  log.mockRestore()
})
