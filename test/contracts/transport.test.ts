import { IpcTransport } from '../../src/runtime/transports/ipc.js'
import { memoryLink } from '../../src/runtime/transports/memory.js'
import { channelPair, type FakeChannel } from '../support/fake-channel.js'
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
