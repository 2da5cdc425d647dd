// The WebSocket: opens it, notices when it is gone, and opens it again.
//
// What is said over it is the business of app.js; here a lost connection is only a pause.

import { reconnectDelay } from './format.js'

/** A sleeping phone does not tell its page that the network is gone, so the page asks. */
const PING_EVERY_MS = 20_000
const PONG_WITHIN_MS = 6_000

/** Our own close codes from 4000 on say that we were too much for the server: come back more slowly. */
const SLOW_DOWN_FROM = 4000

export class Connection {
  #handlers
  /** @type {WebSocket | undefined} */
  #socket
  #attempt = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reconnectTimer
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pingTimer

  /** @param {{ opened: () => void, received: (message: any) => void, lost: () => void }} handlers */
  constructor(handlers) {
    this.#handlers = handlers
    addEventListener('online', () => this.#hurry())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#hurry()
    })
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  open() {
    clearTimeout(this.#reconnectTimer)
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/chat`)
    this.#socket = socket
    socket.addEventListener('open', () => {
      if (socket !== this.#socket) return
      this.#pingLater()
      this.#handlers.opened()
    })
    socket.addEventListener('message', ({ data }) => {
      if (socket !== this.#socket) return
      this.#pingLater()
      const message = JSON.parse(data)
      if (message.type !== 'pong') this.#handlers.received(message)
    })
    // An error is always followed by a close.
    socket.addEventListener('close', ({ code }) => this.#closed(socket, code))
  }

  /** False when there is nothing to send it on. @param {object} message */
  send(message) {
    if (!this.isOpen) return false
    this.#socket?.send(JSON.stringify(message))
    return true
  }

  /** The server answers again: the next loss begins with the short wait. */
  settled() {
    this.#attempt = 0
  }

  /** @param {WebSocket} socket @param {number} [code] */
  #closed(socket, code = 0) {
    if (socket !== this.#socket) return
    this.#socket = undefined
    clearTimeout(this.#pingTimer)
    this.#handlers.lost()
    if (code >= SLOW_DOWN_FROM) this.#attempt = Math.max(this.#attempt, 4)
    this.#reconnectTimer = setTimeout(() => this.open(), reconnectDelay(this.#attempt, Math.random()))
    this.#attempt += 1
  }

  /** The network or the window is back: waiting longer would be for nothing, and an old connection may be dead. */
  #hurry() {
    if (this.isOpen) this.#ping()
    else if (this.#socket === undefined) this.open()
  }

  #pingLater() {
    clearTimeout(this.#pingTimer)
    this.#pingTimer = setTimeout(() => this.#ping(), PING_EVERY_MS)
  }

  #ping() {
    const socket = this.#socket
    clearTimeout(this.#pingTimer)
    if (!socket || !this.send({ type: 'ping' })) return
    // Whatever arrives next puts the timer back. Closing a dead connection takes long; we do not wait for it.
    this.#pingTimer = setTimeout(() => {
      this.#closed(socket)
      socket.close()
    }, PONG_WITHIN_MS)
  }
}
