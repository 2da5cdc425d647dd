import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Characters that are kept of what it says when it fails. */
const TAIL = 4_096

/** Runs one of `../programs` in a process of its own, and gives what it has printed, as JSON. */
export async function runProgram<Result>(name: string, args: readonly number[]): Promise<Result> {
  const child = fork(fileURLToPath(new URL(`../programs/${name}.mjs`, import.meta.url)), args.map(String), {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk).slice(-TAIL)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`the program of the run \`${name}\` ended with ${String(code)}: ${errors}`)
  return JSON.parse(output) as Result
}
