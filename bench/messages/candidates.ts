import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Job } from './job.mjs'

/** Whoever sends messages: a program in candidates/, and what tells it from others of that program. */
export interface Entry {
  readonly name: string
  readonly program: string
  readonly setup?: Job['setup']
  /** Instead of the shape's own: what a user would do who cannot go the shape's way. */
  readonly route?: Job['route']
  /** Of bench/package.json, or of the library itself. */
  readonly package?: string
  /** A program that the machine may not have, and where Debian has it. */
  readonly needs?: { readonly command: string; readonly from: string }
}

const SUPERJSON = 'superjson'

const ENTRIES: readonly Entry[] = [
  { name: 'troupe', program: 'troupe' },
  { name: 'process.send', program: 'raw' },
  { name: 'process.send, superjson', program: 'raw', setup: { superjson: true }, package: SUPERJSON },
  { name: 'process.send, advanced', program: 'raw', setup: { serialization: 'advanced' } },
  { name: 'process.send through the primary', program: 'raw' },
  { name: 'process.send to the primary', program: 'raw', route: 'worker to primary' },
  { name: 'process.send, broadcast', program: 'raw-broadcast' },
  { name: 'process.send, stream', program: 'raw-stream' },
  { name: 'unix socket', program: 'socket' },
  { name: 'birpc', program: 'birpc', package: 'birpc' },
  { name: 'comedy', program: 'comedy', package: 'comedy' },
  { name: 'moleculer', program: 'moleculer', package: 'moleculer' },
  { name: 'workerpool', program: 'workerpool', package: 'workerpool' },
  { name: 'tinypool', program: 'tinypool', package: 'tinypool' },
  { name: 'jest-worker', program: 'jest-worker', package: 'jest-worker' },
  {
    name: 'nats',
    program: 'nats',
    package: '@nats-io/transport-node',
    needs: { command: 'nats-server', from: 'nats-server' },
  },
  { name: 'grpc', program: 'grpc', package: '@grpc/grpc-js' },
  { name: 'erlang', program: 'erlang', needs: { command: 'erl', from: 'erlang-base' } },
  { name: 'socket.io adapter', program: 'socket-io', package: '@socket.io/cluster-adapter' },
  { name: 'redis', program: 'redis', package: 'redis', needs: { command: 'redis-server', from: 'redis-server' } },
]

export function entryOf(name: string): Entry {
  const entry = ENTRIES.find((one) => one.name === name)
  if (!entry) throw new TypeError(`Expected one of ${ENTRIES.map((one) => one.name).join(', ')}, got ${name}`)
  return entry
}

/** Why it cannot be measured here, if it cannot. */
export function whyAbsent({ name, needs }: Entry): string | undefined {
  if (!needs || isInstalled(needs.command)) return undefined
  return `${name} is left out: ${needs.command} is not installed (apt-get install ${needs.from})`
}

function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)))
}
