import { afterEach, assert, beforeEach, describe, expect, test } from 'vitest'
import type { Transport } from '../../src/protocol/transport.js'
import { allMicrotasks } from '../support/fake-clock.js'

/** What is under way has arrived, or never will. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await allMicrotasks()
}

/** What the suite sends: numbered, so that order shows. */
export interface Numbered {
  readonly kind: 'numbered'
  readonly n: number
}

export interface LinkUnderTest {
  readonly left: Transport<Numbered, Numbered>
  readonly right: Transport<Numbered, Numbered>
  /** The right process dies: nothing that is not on its way yet arrives any more, and the left hears of the end. */
  cut(): void
  dispose?(): void
}

/** What arrived, as "1", "2", …, and "closed". */
function listen(transport: Transport<Numbered, Numbered>): string[] {
  const heard: string[] = []
  transport.receive({ frame: ({ n }) => heard.push(String(n)), closed: () => heard.push('closed') })
  return heard
}

const numbered = (n: number): Numbered => ({ kind: 'numbered', n })

/** Sends the numbers from `first` to `last`. */
function sendAll(transport: Transport<Numbered, Numbered>, first: number, last: number): void {
  for (let n = first; n <= last; n++) transport.send(numbered(n))
}

const numbers = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => String(first + index))

/** Holds an implementation to the contract that `src/protocol/transport.ts` states. */
export function transportContract(name: string, open: () => LinkUnderTest): void {
  describe(name, () => {
    let link: LinkUnderTest

    beforeEach(() => {
      link = open()
    })
    afterEach(() => link.dispose?.())

    test('delivers frames in the order in which they were sent, each once', async () => {
      const heard = listen(link.right)
      sendAll(link.left, 1, 50)
      await settled()
      sendAll(link.left, 51, 100)
      await settled()
      expect(heard).toEqual(numbers(1, 100))
    })

    test('carries both directions at once', async () => {
      const [left, right] = [listen(link.left), listen(link.right)]
      sendAll(link.left, 1, 3)
      sendAll(link.right, 4, 6)
      await settled()
      expect(right).toEqual(numbers(1, 3))
      expect(left).toEqual(numbers(4, 6))
    })

    test('keeps frames that arrive before anybody receives, and gives them first', async () => {
      sendAll(link.left, 1, 3)
      await settled()
      const heard = listen(link.right)
      sendAll(link.left, 4, 5)
      await settled()
      expect(heard).toEqual(numbers(1, 5))
    })

    test('delivers nothing while `send` runs', () => {
      const heard = listen(link.right)
      sendAll(link.left, 1, 3)
      expect(heard).toEqual([])
    })

    test('delivers what was sent before the end, then reports the end, once and last', async () => {
      const heard = listen(link.right)
      sendAll(link.left, 1, 3)
      link.left.close()
      link.left.close()
      await settled()
      expect(heard).toEqual([...numbers(1, 3), 'closed'])
    })

    test('reports the end to the one who closed, too', async () => {
      const heard = listen(link.left)
      link.left.close()
      await settled()
      expect(heard).toEqual(['closed'])
    })

    test('reports the end once when both close', async () => {
      const [left, right] = [listen(link.left), listen(link.right)]
      link.left.close()
      link.right.close()
      await settled()
      expect(left).toEqual(['closed'])
      expect(right).toEqual(['closed'])
    })

    test('keeps frames and the end for whoever receives late', async () => {
      sendAll(link.left, 1, 2)
      await settled()
      link.left.close()
      await settled()
      const heard = listen(link.right)
      await settled()
      expect(heard).toEqual([...numbers(1, 2), 'closed'])
    })

    test('reports the end to whoever receives late, also when nothing was sent', async () => {
      link.left.close()
      await settled()
      const heard = listen(link.right)
      await settled()
      expect(heard).toEqual(['closed'])
    })

    test('says nothing after the end, when a frame is what led to it', async () => {
      const heard: string[] = []
      link.right.receive({
        frame({ n }) {
          heard.push(String(n))
          if (n === 2) link.right.close()
        },
        closed: () => heard.push('closed'),
      })
      sendAll(link.left, 1, 5)
      await settled()
      expect(heard.filter((word) => word === 'closed')).toHaveLength(1)
      expect(heard.at(-1)).toBe('closed')
    })

    test('says nothing after the end, when an early frame is what led to it', async () => {
      sendAll(link.left, 1, 3)
      await settled()
      const heard: string[] = []
      link.right.receive({
        frame({ n }) {
          heard.push(String(n))
          link.right.close()
        },
        closed: () => heard.push('closed'),
      })
      await settled()
      expect(heard.filter((word) => word === 'closed')).toHaveLength(1)
      expect(heard.at(-1)).toBe('closed')
    })

    test('a link that dies loses a tail, never a middle', async () => {
      const heard = listen(link.right)
      for (let batch = 0; batch < 5; batch++) {
        sendAll(link.left, batch * 10 + 1, batch * 10 + 10)
        if (batch === 3) link.cut()
        await settled()
      }
      const arrived = heard.filter((word) => word !== 'closed')
      expect(arrived).toEqual(numbers(1, arrived.length))
      expect(heard.indexOf('closed')).toBe(heard.length - 1)
    })

    test('sending after the end does nothing, and throws nothing', async () => {
      const heard = listen(link.right)
      link.left.close()
      sendAll(link.left, 1, 3)
      sendAll(link.right, 1, 3)
      await settled()
      sendAll(link.left, 4, 6)
      await settled()
      expect(heard).toEqual(['closed'])
    })

    test('is flushed when what was sent is under way', async () => {
      listen(link.right)
      sendAll(link.left, 1, 100)
      await link.left.flushed()
      await link.left.flushed()
    })

    test('is flushed after the end', async () => {
      sendAll(link.left, 1, 3)
      link.left.close()
      await link.left.flushed()
    })

    test('whoever waits for the flush learns it at the end', async () => {
      sendAll(link.left, 1, 3)
      const flushed = link.left.flushed()
      link.cut()
      await flushed
    })

    test('is not full when nothing waits', () => {
      assert.isFalse(link.left.full)
    })
  })
}
