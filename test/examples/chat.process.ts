import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const START_WITHIN_MS = 30_000

export interface ChatProcess {
  url: string
  pid: number
  /** What it has printed so far. */
  output: () => string
  /** Sends SIGTERM and waits for the end. */
  stop: () => Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** Starts the chat as `npm start` does, on a free port, and waits until it says where it is. */
export async function startChat(env: Record<string, string> = {}): Promise<ChatProcess> {
  const { child, output } = spawnChat(env)
  const ended = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`The chat printed no address within ${START_WITHIN_MS} ms:\n${output()}`))
    }, START_WITHIN_MS)
    const end = (code: unknown, signal: unknown) => {
      clearTimeout(timer)
      reject(new Error(`The chat ended with ${code ?? signal}:\n${output()}`))
    }
    child.once('exit', end)
    child.stdout?.on('data', () => {
      const found = /Chat on (http:\/\/\S+)/.exec(output())?.[1]
      if (!found) return
      clearTimeout(timer)
      child.off('exit', end)
      resolve(found)
    })
  })
  return {
    url,
    pid: child.pid!,
    output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await ended
      return { code: child.exitCode, signal: child.signalCode }
    },
  }
}

/** The same without waiting, for starts that are to fail. */
export function spawnChat(env: Record<string, string>): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/chat/main.ts'], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0', HOST: '127.0.0.1', WORKERS: '3', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return { child, output: () => output }
}
