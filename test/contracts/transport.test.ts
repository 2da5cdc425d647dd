import { IpcTransport } from '../../src/runtime/transports/ipc.js'
import { memoryLink } from '../../src/runtime/transports/memory.js'
import { StreamTransport } from '../../src/runtime/transports/stream.js'
import { channelPair, type FakeChannel } from '../support/fake-channel.js'
import { FakeStream } from '../support/fake-stream.js'
import { type LinkUnderTest, type Numbered, transportContract } from './transport.contract.js'

transportContract('memory', () => {
  const [left, right] = memoryLink<Numbered, Numbered>()
  return { left, right, cut: () => right.close() }
})

transportContract('memory that copies, one turn later', () => {
  const [left, right] = memoryLink<Numbered, Numbered>({
    copy: true,
    schedule: (deliver) => void setImmediate(deliver),
  })
  return { left, right, cut: () => right.close() }
})

transportContract('IPC over a channel in this process', () => {
  const [left, right] = channelPair()
  return {
    left: overChannel(left, right),
    right: overChannel(right, left),
    cut: () => right.disconnect(),
  } satisfies LinkUnderTest
})

for (const chunk of [Number.POSITIVE_INFINITY, 7])
  transportContract(`a stream of bytes in pieces of ${chunk}`, () => {
    const [left, right] = FakeStream.pair()
    left.chunk = chunk
    right.chunk = chunk
    return { left: overStream(left), right: overStream(right), cut: () => right.die() }
  })

function overStream(stream: FakeStream): StreamTransport<Numbered, Numbered> {
  return new StreamTransport<Numbered, Numbered>(stream, {
    read: (frames) => ({ frames: frames as Numbered[], malformed: 0 }),
    limit: 1_000,
    bytes: 1e9,
    frameLimit: 1e6,
    onMalformed: () => {},
    onUnsendable: () => {},
    onCorrupt: () => {},
  })
}

/** A process that closes its end of the link for good ends its channel, too: `process.disconnect()`, or its exit. */
function overChannel(channel: FakeChannel, other: FakeChannel): IpcTransport<Numbered, Numbered> {
  const transport = new IpcTransport<Numbered, Numbered>(channel, {
    read: (batch) => ({ frames: batch.frames as Numbered[], malformed: 0 }),
    limit: 1_000,
    bytes: 1e9,
    onMalformed: () => {},
    onUnsendable: () => {},
  })
  const close = transport.close.bind(transport)
  transport.close = () => {
    close()
    other.disconnect()
  }
  return transport
}
