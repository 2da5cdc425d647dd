// `gen_server:call` between two Erlang nodes on this machine. Its load is driven in Erlang (../erlang/orders.erl) as
// ../load.mjs does it: so many processes, each of which calls, compares the answer, and calls again.

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../free-port.mjs'
import { startServer, temporaryFolder } from '../servers.mjs'

const source = fileURLToPath(new URL('../erlang/orders.erl', import.meta.url))
const output = fileURLToPath(new URL('../../../build/bench/erlang', import.meta.url))

export async function start() {
  mkdirSync(output, { recursive: true })
  const { status, stdout, error } = spawnSync('erlc', ['-o', output, source], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`erlc: ${error?.message ?? stdout}`)
  // A name server of our own: the one that nodes start by themselves would stay behind.
  const port = await freePort()
  await startServer('epmd', ['-port', String(port), '-address', '127.0.0.1'], { port })
  const env = { ...process.env, HOME: temporaryFolder(), ERL_EPMD_PORT: String(port), ERL_EPMD_ADDRESS: '127.0.0.1' }
  const callee = node('callee', env)
  await callee.next()
  const caller = node('caller', env)
  await caller.next()
  return {
    /** @param {import('../load.mjs').Load} load */
    async drive({ inFlight, first, operations, seconds }) {
      caller.say(`${inFlight} ${first} ${operations ?? -1} ${Math.round((seconds ?? -1) * 1_000)}`)
      return JSON.parse(await caller.next())
    },
    stop: async () => {
      await Promise.all([caller.end(), callee.end()])
    },
  }
}

/** A node that ends when its input does. @param {string} name @param {NodeJS.ProcessEnv} env */
function node(name, env) {
  const flags = [
    '-noshell',
    '-start_epmd',
    'false',
    '-sname',
    `${name}@localhost`,
    '-setcookie',
    'bench',
    '-pa',
    output,
  ]
  const loopback = ['-kernel', 'inet_dist_use_interface', '{127,0,0,1}']
  const child = spawn('erl', [...flags, ...loopback, '-s', 'orders', name], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return {
    say: (/** @type {string} */ line) => child.stdin.write(`${line}\n`),
    async next() {
      const { done, value } = await lines.next()
      if (done) throw new Error(`the Erlang node ${name} has ended`)
      return /** @type {string} */ (value)
    },
    async end() {
      child.stdin.end()
      await ended
    },
  }
}
