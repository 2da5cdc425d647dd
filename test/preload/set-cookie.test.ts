import { createServer, get, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { addCookie } from '../../src/preload/set-cookie.js'

let server: Server | undefined

afterEach(() => server?.close())

/** What a client gets from a program whose response was given the cookie `ours` before the program saw it. */
async function cookiesOf(program: (response: ServerResponse) => void): Promise<string[] | undefined> {
  const listener: RequestListener = (_, response) => {
    addCookie(response, 'ours=1')
    program(response)
  }
  server = createServer(listener).listen(0)
  const { port } = server.address() as AddressInfo
  return new Promise((resolve) => {
    get({ port, agent: false }, (response) => resolve(response.resume().headers['set-cookie']))
  })
}

test.each<[string, (response: ServerResponse) => void]>([
  ['says nothing of headers', (response) => response.end()],
  ['writes first and ends later', (response) => response.write('a') && response.end('b')],
  ['calls writeHead', (response) => response.writeHead(204).end()],
  ['calls writeHead with a reason and headers', (response) => response.writeHead(200, 'Fine', { 'X-Own': '1' }).end()],
  ['calls writeHead with a list', (response) => response.writeHead(200, ['X-Own', '1']).end()],
  ['sets headers of another name', (response) => response.setHeader('X-Own', '1').end()],
  [
    'sends its head early',
    (response) => {
      response.flushHeaders()
      response.end()
    },
  ],
])('a client gets the cookie from a program that %s', async (_, program) => {
  expect(await cookiesOf(program)).toEqual(['ours=1'])
})

test.each<[string, (response: ServerResponse) => void]>([
  ['sets it', (response) => response.setHeader('Set-Cookie', 'own=2').end()],
  ['sets it in a list', (response) => response.setHeader('set-cookie', ['own=2']).end()],
  [
    'sets it, and then writes a head with other headers',
    (response) => response.setHeader('Set-Cookie', 'own=2').writeHead(200, { 'X-Own': '1' }).end(),
  ],
  ['gives it to writeHead', (response) => response.writeHead(200, { 'set-cookie': 'own=2' }).end()],
  [
    'gives it to writeHead in a list of its own',
    (response) => response.writeHead(200, { 'Set-Cookie': ['own=2'] }).end(),
  ],
  ['gives it to writeHead as a flat list', (response) => response.writeHead(200, ['Set-Cookie', 'own=2']).end()],
  [
    'gives it to writeHead over one that it had set',
    (response) => response.setHeader('Set-Cookie', 'first=0').writeHead(200, { 'Set-Cookie': 'own=2' }).end(),
  ],
])('a client gets both cookies from a program that has one of its own and %s', async (_, program) => {
  expect(await cookiesOf(program)).toEqual(['own=2', 'ours=1'])
})
