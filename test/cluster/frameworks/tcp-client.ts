import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { Connection } from './app.js'

export interface Greeting {
  readonly pid: number
  readonly name: string
  readonly made?: object
}

/** A connection to a server that speaks first: one line of JSON, then what it is sent. */
export class TcpClient implements Connection {
  readonly socket: Socket
  /** Rejects with node's error when there is no server, and when it hangs up instead. */
  readonly greeting: Promise<Greeting>
  received = ''

  constructor(options: NetConnectOpts) {
    this.socket = connect(options)
    this.socket.setEncoding('utf8').on('data', (text) => {
      this.received += text
    })
    this.socket.on('error', () => {})
    this.greeting = this.#greeting()
    this.greeting.catch(() => {})
  }

  get isClosed(): boolean {
    return this.socket.closed
  }

  async pid(): Promise<number> {
    return (await this.greeting).pid
  }

  close(): void {
    this.socket.destroy()
  }

  async #greeting(): Promise<Greeting> {
    const ended = once(this.socket, 'close').then(() => {
      throw new Error('the server hung up')
    })
    ended.catch(() => {})
    while (!this.received.includes('\n')) await Promise.race([once(this.socket, 'data'), ended])
    return JSON.parse(this.received.slice(0, this.received.indexOf('\n')))
  }
}
