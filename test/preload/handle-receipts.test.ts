import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { type HandleReceiver, joinHandleReceipts } from '../../src/preload/handle-receipts.js'

const RECEIPT = { cmd: 'NODE_HANDLE_ACK' }
const OFFER = { cmd: 'NODE_TROUPE', frames: [{ kind: 'connection', id: 1 }] }
const ANSWER = { cmd: 'NODE_TROUPE', frames: [{ kind: 'taken', id: 1 }] }

/** A process as far as its channel goes: node's own listener writes a receipt, and passes the message on a tick later. */
class Channel extends EventEmitter {
  readonly written: unknown[] = []
  _send(message: unknown): boolean {
    this.written.push(message)
    return true
  }
  _disconnect(): void {
    this.written.push('disconnect')
  }
  constructor() {
    super()
    this.on('internalMessage', ({ cmd, msg }) => {
      if (cmd !== 'NODE_HANDLE') return
      this._send(RECEIPT)
      process.nextTick(() => this.emit('internalMessage', msg))
    })
  }
  async arrive(msg: unknown): Promise<void> {
    this.emit('internalMessage', { cmd: 'NODE_HANDLE', msg })
    await new Promise(setImmediate)
  }
}

/** `answer` is what our link does with a message. */
function setUp(answer: (channel: Channel) => void = () => {}): Channel {
  const channel = new Channel()
  channel.on('internalMessage', (message) => {
    if (message === OFFER) answer(channel)
  })
  joinHandleReceipts(channel as unknown as HandleReceiver)
  return channel
}

describe("node's receipt for a handle", () => {
  test('goes out with the answer', async () => {
    const channel = setUp(({ _send }) => void _send.call(channel, ANSWER))
    await channel.arrive(OFFER)
    expect(channel.written).toEqual([{ ...RECEIPT, frames: ANSWER.frames }])
  })

  test('goes out alone when there is none', async () => {
    const channel = setUp()
    await channel.arrive(OFFER)
    expect(channel.written).toEqual([RECEIPT])
  })

  test('is followed by a second answer, which brings none', async () => {
    const channel = setUp(() => {
      channel._send(ANSWER)
      channel._send(ANSWER)
    })
    await channel.arrive(OFFER)
    expect(channel.written).toEqual([{ ...RECEIPT, frames: ANSWER.frames }, ANSWER])
  })

  test("goes out with whatever of ours goes first, and after what is the program's", async () => {
    const channel = setUp()
    channel.emit('internalMessage', { cmd: 'NODE_HANDLE', msg: OFFER })
    channel._send({ mine: true })
    channel._send(ANSWER)
    await new Promise(setImmediate)
    expect(channel.written).toEqual([{ mine: true }, { ...RECEIPT, frames: ANSWER.frames }])
  })

  test("for a handle of the program's own is node's alone", async () => {
    const channel = setUp()
    await channel.arrive({ mine: true })
    expect(channel.written).toEqual([RECEIPT])
  })

  test('is written before the channel ends, which its sender would not see else', () => {
    const channel = setUp()
    channel.emit('internalMessage', { cmd: 'NODE_HANDLE', msg: OFFER })
    channel._disconnect()
    expect(channel.written).toEqual([RECEIPT, 'disconnect'])
  })
})
