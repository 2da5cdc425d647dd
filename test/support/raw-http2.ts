import { expect } from 'vitest'
import { RawClient } from './draining.js'
import { SOON } from './processes.js'

const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8
const ACK = 1
const END_STREAM = 1
const END_HEADERS = 4

interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** An HTTP/2 client frame by frame (RFC 9113), which does nothing by itself: it answers a ping when a test says so. */
export class RawHttp2Client {
  readonly #client: RawClient

  private constructor(client: RawClient) {
    this.#client = client
  }

  static async open(port: number): Promise<RawHttp2Client> {
    const client = new RawHttp2Client(await RawClient.open(port))
    client.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    // INITIAL_WINDOW_SIZE, and the connection's: the server may send as much as it likes.
    client.#write({ type: SETTINGS, flags: 0, stream: 0, payload: Buffer.from('00047fffffff', 'hex') })
    client.#write({ type: WINDOW_UPDATE, flags: 0, stream: 0, payload: Buffer.from('7fff0000', 'hex') })
    return client
  }

  get socket() {
    return this.#client.socket
  }

  get ended(): Promise<unknown> {
    return this.#client.ended
  }

  get(stream: number, path: string): void {
    // :method GET, :scheme http, :path and :authority as literals (RFC 7541 6.1, 6.2.2)
    const text = (index: number, value: string) => Buffer.from([index, value.length, ...Buffer.from(value)])
    const payload = Buffer.concat([Buffer.from([0x82, 0x86]), text(0x04, path), text(0x01, 'x')])
    this.#write({ type: HEADERS, flags: END_STREAM | END_HEADERS, stream, payload })
  }

  /** What has been answered on that stream, if it has ended. */
  answer(stream: number): string | undefined {
    const data = this.#frames().filter((frame) => frame.type === DATA && frame.stream === stream)
    if (!data.some(({ flags }) => flags & END_STREAM)) return undefined
    return Buffer.concat(data.map(({ payload }) => payload)).toString()
  }

  /** The last stream that each GOAWAY has named. */
  get goaways(): number[] {
    const goaways = this.#frames().filter(({ type }) => type === GOAWAY)
    for (const { payload } of goaways) expect(payload.readUInt32BE(4)).toBe(0)
    return goaways.map(({ payload }) => payload.readUInt32BE(0))
  }

  /** Answers the server's ping. Waits for it. */
  async pong(): Promise<void> {
    const pings = () => this.#frames().filter(({ type, flags }) => type === PING && !(flags & ACK))
    await expect.poll(() => pings().length, SOON).toBe(1)
    this.#write({ type: PING, flags: ACK, stream: 0, payload: pings()[0]!.payload })
  }

  #write({ type, flags, stream, payload }: Frame): void {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    this.socket.write(Buffer.concat([head, payload]))
  }

  #frames(): Frame[] {
    const { received } = this.#client
    const frames: Frame[] = []
    for (let at = 0; at + 9 <= received.length; ) {
      const length = received.readUIntBE(at, 3)
      const payload = received.subarray(at + 9, at + 9 + length)
      if (payload.length === length)
        frames.push({
          type: received[at + 3]!,
          flags: received[at + 4]!,
          stream: received.readUInt32BE(at + 5),
          payload,
        })
      at += 9 + length
    }
    return frames
  }
}
