import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { ClusterOptions, PrimaryCluster, UntypedContract } from 'troupe'
import { expect } from 'vitest'
import { freePort } from './free-port.js'
import { fixture, SOON, sendSignal, startCluster } from './processes.js'

/** Long enough that a drain which waits for it fails the test by its own time limit. */
const NEVER_WAITED_FOR = 50_000

interface ServeOptions {
  readonly env?: Record<string, string>
  /** `timeouts.drain`. */
  readonly drain?: number
  readonly ports?: readonly number[]
}

/** One worker that serves as any program does, see the fixture `drain-worker`, and what it has told. */
export class DrainedWorker {
  readonly cluster: PrimaryCluster<UntypedContract>
  readonly port: number
  readonly pid: number
  readonly #told: Record<string, unknown>[] = []

  private constructor(cluster: PrimaryCluster<UntypedContract>, port: number) {
    this.cluster = cluster
    this.port = port
    this.pid = cluster.workers.get(1)?.pid ?? 0
    // A replacement serves the same port, and has its own story.
    cluster.on('message', ({ pid, message }) => {
      if (pid === this.pid) this.#told.push(message as Record<string, unknown>)
    })
  }

  static async serve(
    kind: string,
    { env, drain = NEVER_WAITED_FOR, ports }: ServeOptions = {},
  ): Promise<DrainedWorker> {
    const all = ports ?? [await freePort()]
    const options: ClusterOptions = {
      exec: fixture('drain-worker'),
      workers: 1,
      env: { DRAIN_KIND: kind, DRAIN_PORT: all.join(','), ...env },
      timeouts: { drain, settle: 0 },
    }
    return new DrainedWorker(await startCluster({ ...options, ready: 'listen' }), all[0]!)
  }

  told(key: string): unknown[] {
    return this.#told.filter((message) => key in message).map((message) => message[key])
  }

  /** Resolves when the worker has that many requests that it keeps waiting. */
  async holds(...requests: string[]): Promise<void> {
    await expect.poll(() => this.told('held'), SOON).toEqual(requests)
  }

  async connections(count: number): Promise<void> {
    await expect.poll(() => this.cluster.workers.get(1)?.connections, SOON).toBe(count)
  }

  /** Begins a stop or a reload; resolves when the worker drains, with what the whole of it will give. */
  async drain(mode: 'stop' | 'reload'): Promise<{ ended: Promise<{ cut: number }> }> {
    const ended = mode === 'stop' ? this.cluster.stop() : this.cluster.reload()
    await this.drains(mode)
    return { ended }
  }

  async drains(mode: 'stop' | 'reload'): Promise<void> {
    await expect.poll(() => this.told('draining'), SOON).toContain(mode)
  }

  /** Lets it answer what it has kept waiting. */
  release(): void {
    sendSignal(this.pid, 'SIGUSR2')
  }
}

/** A connection byte by byte. */
export class RawClient {
  readonly socket: Socket
  readonly ended: Promise<unknown>
  #chunks: Buffer[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => this.#chunks.push(data))
    socket.on('error', () => {})
    this.ended = new Promise((resolve) => socket.once('close', resolve))
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.of()
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  get(...paths: string[]): void {
    this.socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''))
  }

  async receives(text: string): Promise<void> {
    await expect.poll(() => this.text, SOON).toContain(text)
  }
}
