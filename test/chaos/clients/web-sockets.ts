import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { WebSocket } from 'ws'

/** A server that goes away: the close that a reload is to send (RFC 6455 7.4.1). */
const GOING_AWAY = 1001

/** Between two messages of a client, ms. */
const PAUSE = 40

/** Clients that each have something echoed over one WebSocket, and come back when they are told that the server goes away. */
export class WebSockets {
  echoed = 0
  /** Closed with 1001. */
  sentAway = 0
  /** Any other end, by what it was. */
  readonly broken = new Map<string, number>()
  readonly #port: number
  readonly #done: Promise<unknown>
  #stopped = false

  constructor({ port, clients }: { port: number; clients: number }) {
    this.#port = port
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#client()))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #client(): Promise<void> {
    while (!this.#stopped) {
      const socket = new WebSocket(`ws://127.0.0.1:${this.#port}`)
      let error = ''
      socket.on('error', ({ message }) => {
        error = message
      })
      const closed = once(socket, 'close')
      let isClosed = false
      void closed.then(() => {
        isClosed = true
      })
      await Promise.race([once(socket, 'open').catch(() => {}), closed])
      while (!this.#stopped && !isClosed && socket.readyState === WebSocket.OPEN) {
        socket.send('hello')
        await Promise.race([
          once(socket, 'message').then(
            () => this.#echo(),
            () => {},
          ),
          closed,
        ])
        await after(PAUSE)
      }
      if (this.#stopped) socket.terminate()
      const [code] = (await closed) as [number]
      if (this.#stopped) return
      if (code === GOING_AWAY) this.sentAway += 1
      else {
        const what = `${code} ${error}`.trim()
        this.broken.set(what, (this.broken.get(what) ?? 0) + 1)
      }
    }
  }

  #echo(): void {
    this.echoed += 1
  }
}
