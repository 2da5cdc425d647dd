import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** For starts and ends on a machine that has much else to do. */
const PATIENCE_MS = 30_000

export interface ExampleProcess {
  readonly pid: number
  /** What it has printed so far. */
  output(): string
  /** Resolves when what it has printed, from `from` on, matches. Rejects when it ends before. */
  printed(pattern: RegExp, from?: number): Promise<RegExpExecArray>
  /** Resolves when it has ended, with all that it has started, and its output has been read. */
  readonly ended: Promise<ExampleEnd>
  /** Sends SIGTERM, unless it has ended, and waits for the end. */
  stop(): Promise<ExampleEnd>
}

interface ExampleEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Starts `examples/<name>/main.ts` as its header says. Whoever starts it stops it. */
export function startExample(name: string, env: Record<string, string> = {}): ExampleProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', `examples/${name}/main.ts`], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return {
    pid: child.pid!,
    ended,
    output: () => output,
    async printed(pattern, from = 0) {
      const patience = AbortSignal.timeout(PATIENCE_MS)
      for (;;) {
        const match = pattern.exec(output.slice(from))
        if (match) return match
        if (patience.aborted || isOver()) throw new Error(`${name} did not print ${pattern}, but:\n${output}`)
        await Promise.race([once(child.stdout, 'data', { signal: patience }).catch(() => {}), exited])
      }
    },
    async stop() {
      if (!isOver()) child.kill('SIGTERM')
      const lastResort = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
      await exited
      clearTimeout(lastResort)
      return { code: child.exitCode, signal: child.signalCode }
    },
  }
}

/** False when there is no such process (any more). */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
