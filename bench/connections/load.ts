import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onCores } from '../cores.js'

/** What one load has to do, for how long. */
export interface LoadShape {
  readonly port: number
  readonly clients: number
  /** Many requests per connection, or one. */
  readonly keepAlive: boolean
  readonly seconds: number
}

export interface LoadTotals {
  readonly answers: number
  readonly bytes: number
  readonly seconds: number
}

interface Counted extends LoadTotals {
  readonly failed: number
  readonly failure?: string
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** `wrk` takes a fifth of the CPU time that a client in Node takes, which is time that the servers have. */
export const hasWrk = spawnSync('wrk', ['--version']).error === undefined

/**
 * Loads the server and counts answers, with `wrk` where it is installed. Throws when a single request failed.
 *
 * wrk itself looks at status and framing; that every answer has the length of a right one says the rest.
 */
export async function load(shape: LoadShape, answerLength: number): Promise<LoadTotals> {
  if (!hasWrk) return await checkedLoad(shape)
  const { port, clients, keepAlive, seconds } = shape
  const close = keepAlive ? [] : ['-H', 'Connection: close']
  const counts = ['-t', '1', '-c', String(clients), '-d', `${seconds}s`, '--timeout', '10s', '-s', file('totals.lua')]
  const totals = await run('wrk', [...counts, ...close, `http://127.0.0.1:${port}/`], 'stderr')
  if (totals.bytes !== totals.answers * answerLength)
    throw new Error(`Expected ${totals.answers} answers to have ${answerLength} bytes each, got ${totals.bytes} in all`)
  return totals
}

/** The same by a client that compares every answer as a whole, and so tells how long a right one is. */
export async function checkedLoad(shape: LoadShape): Promise<LoadTotals> {
  return await run(process.execPath, [file('client.mjs'), JSON.stringify(shape)], 'stdout')
}

async function run(command: string, args: readonly string[], from: 'stdout' | 'stderr'): Promise<LoadTotals> {
  const child = spawn(...onCores('load', command, args), { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (output.stdout += chunk))
  child.stderr.on('data', (chunk) => (output.stderr += chunk))
  const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject))
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output.stderr}`)
  const { failed, failure, ...totals } = JSON.parse(output[from]) as Counted
  if (failed > 0) throw new Error(`${failed} requests failed beside ${totals.answers} answers. ${failure ?? ''}`)
  if (totals.answers === 0) throw new Error('no request was answered')
  return totals
}
