import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type AnyContract, type ClusterOptions, createCluster, type PrimaryCluster, type UntypedContract } from 'troupe'
import { expect } from 'vitest'

/*
 * Real processes for tests, and their end. Every process that a test file starts, or that one of those starts, inherits a
 * mark in its environment: so orphans are found too, and `endAll` leaves nobody behind.
 */
const MARK = 'TEST_MARK'
process.env[MARK] = `${process.pid}-${process.hrtime.bigint()}`

/** stderr comes to the primary, for the evidence, and is not passed on into the test's report. */
const QUIET: NonNullable<ClusterOptions['stdio']> = ['ignore', 'ignore', 'pipe', 'ipc']

/** The compiled fixture program of that name. */
export const fixture = (name: string): URL => new URL(`../../build/fixtures/${name}.js`, import.meta.url)

/** A generous bound for what a real process does: it fails a test that hangs, and is never measured against. */
export const SOON = { timeout: 15_000, interval: 20 } as const

/** Clusters of the test's own process, also while they start. */
const clusters: Promise<{ stop(options: { force: boolean }): Promise<unknown> } | undefined>[] = []
const programs: Program[] = []
const folders: string[] = []

/** A cluster in the test's own process. Its workers are quiet and take no argument of the test runner. */
export function startCluster<C extends AnyContract = UntypedContract>(
  options: ClusterOptions<C>,
): Promise<PrimaryCluster<C>> {
  const started = createCluster<C>({ args: [], execArgv: [], stdio: QUIET, ...options })
  // A start that fails is the test's to judge, and leaves nothing to end.
  clusters.push(started.catch(() => undefined))
  return started
}

interface ProgramOptions {
  readonly env?: Record<string, string>
  readonly execArgv?: readonly string[]
  readonly execPath?: string
}

/** A fixture program in a process, and a process group, of its own. */
export class Program {
  readonly child: ChildProcess
  readonly pid: number
  /** Resolves when it has ended and all its output has been read. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stdout = ''
  stderr = ''

  constructor(
    file: URL | string,
    args: readonly string[] = [],
    { env, execArgv = [], execPath = process.execPath }: ProgramOptions = {},
  ) {
    this.child = spawn(execPath, [...execArgv, file instanceof URL ? fileURLToPath(file) : file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.pid = this.child.pid ?? 0
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    programs.push(this)
  }

  /** Everything it has printed as one JSON object per line, up to now. */
  get lines(): Record<string, unknown>[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** The first line that has this key. Waits for it. */
  async line(key: string): Promise<Record<string, unknown>> {
    const ended = this.ended.then(() => 'ended')
    for (;;) {
      const found = this.lines.find((line) => key in line)
      if (found) return found
      const data = once(this.child.stdout!, 'data')
      data.catch(() => {})
      if ((await Promise.race([data, ended])) === 'ended' && !this.lines.some((line) => key in line))
        throw new Error(`${this.child.spawnargs.join(' ')} ended without "${key}":\n${this.stdout}\n${this.stderr}`)
    }
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /** As a terminal does it on Ctrl-C: to the program and everyone it has started. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }
}

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-test-'))
  folders.push(folder)
  return folder
}

/** For `afterEach`: ends whatever the test has left running, the hard way. */
export async function endAll(): Promise<void> {
  const open = clusters.splice(0)
  // A start that hangs is ended by the end of its workers.
  while ((await Promise.race([Promise.all(open), after(50)])) === undefined)
    for (const pid of leftBehind()) sendSignal(pid, 'SIGKILL')
  for (const cluster of await Promise.all(open)) await cluster?.stop({ force: true })
  for (const pid of leftBehind()) sendSignal(pid, 'SIGKILL')
  await Promise.all(programs.splice(0).map(({ ended }) => ended))
  await nobodyLeft()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

/** Waits until no process that this test file has started is alive. */
export async function nobodyLeft(within: number = SOON.timeout): Promise<void> {
  await expect.poll(() => leftBehind().map(describeProcess), { ...SOON, timeout: within }).toEqual([])
}

/** The processes alive that carry the mark, the test's own process not among them. */
export function leftBehind(): number[] {
  const mark = `${MARK}=${process.env[MARK]}`
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => readProc(`/proc/${pid}/environ`).split('\0').includes(mark))
    .map(Number)
}

export function isAlive(pid: number): boolean {
  // A zombie has ended: it waits for a parent that may have ended before it.
  return !/^(Z|X|)$/.test(/\) (\w)/.exec(readProc(`/proc/${pid}/stat`))?.[1] ?? '')
}

/** Nothing happens when the process has ended meanwhile, which no look before can exclude. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether that process itself holds the socket that listens on the port. */
export function holdsListener(pid: number, port: number): boolean {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    readProc(table)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => state === '0A' && Number.parseInt(local?.split(':')[1] ?? '', 16) === port)
      .map((columns) => `socket:[${columns[9]}]`),
  )
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return inodes.includes(readlinkSync(`/proc/${pid}/fd/${fd}`))
    } catch {
      return false // Closed since the folder was read.
    }
  })
}

function describeProcess(pid: number): string {
  return `${pid} ${readProc(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`
}

/** Empty for a process that has ended meanwhile. */
function readProc(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
