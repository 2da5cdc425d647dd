import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { endAll } from '../../support/processes.js'
import type { Datagrams } from '../fixtures/frameworks/datagrams.js'
import { startAsked } from './asking.js'

afterEach(endAll)

const start = () => startAsked<Datagrams>('datagrams')

async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  onTestFinished(() => void socket.close())
  await once(socket, 'listening')
  return socket
}

/** What comes back for each of these datagrams, in the order it comes. */
async function answersTo(port: number, messages: string[]): Promise<{ pid: number; name: string; message: string }[]> {
  const socket = await openSocket()
  const answers: { pid: number; name: string; message: string }[] = []
  for (const message of messages) {
    socket.send(message, port, '127.0.0.1')
    const [answer] = await once(socket, 'message')
    answers.push(JSON.parse(String(answer)))
  }
  return answers
}

describe('UDP sockets in workers', () => {
  it('share a port as node has it: each datagram comes to one of them', async () => {
    const { askAll, cluster } = await start()
    const [first, second] = await askAll('bind', 'echo', { port: 0, address: '127.0.0.1' })
    expect(second).toEqual(first)
    const messages = Array.from({ length: 20 }, (_, index) => `datagram ${index}`)
    const answers = await answersTo(first!.port, messages)
    expect(answers.map(({ message }) => message)).toEqual(messages)
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    for (const { pid } of answers) expect(pids).toContain(pid)
  })

  it('of which one is closed leave the port to the others', async () => {
    const { ask, askAll, cluster } = await start()
    const [address] = await askAll('bind', 'echo', { port: 0, address: '127.0.0.1' })
    await ask(1, 'close', 'echo')
    const answers = await answersTo(address!.port, ['one', 'two', 'three'])
    expect(new Set(answers.map(({ pid }) => pid))).toEqual(new Set([cluster.workers.get(2)?.pid]))
  })

  it('that are exclusive have a port each', async () => {
    const { ask, askAll, cluster } = await start()
    const options = { port: 0, address: '127.0.0.1', exclusive: true }
    const ports = (await askAll('bind', 'own', options)).map(({ port }) => port) as [number, number]
    expect(ports[0]).not.toBe(ports[1])
    for (const [index, { pid }] of [...cluster.workers.values()].entries())
      expect(await answersTo(ports[index]!, ['hello'])).toEqual([{ pid, name: 'own', message: 'hello' }])
    const taken = { ...options, port: ports[0] }
    await expect(ask(2, 'bind', 'next', taken)).rejects.toMatchObject({ code: 'EADDRINUSE', port: ports[0] })
  })

  it('are refused a port that another program has, with the code that node gives', async () => {
    const { port } = (await openSocket()).address()
    const { ask } = await start()
    await expect(ask(1, 'bind', 'echo', { port, address: '127.0.0.1' })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
