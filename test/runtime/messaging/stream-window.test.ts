import { describe, expect, test } from 'vitest'
import { StreamWindow } from '../../../src/runtime/messaging/streams/stream-window.js'

const frame = (first: number, ...items: (string | null)[]) => ({ kind: 'items' as const, id: 1, first, items })

describe('a window', () => {
  test('is open while fewer items are on their way than there is room for', () => {
    const window = new StreamWindow({ items: 2, bytes: 100 })
    window.add('a')
    expect(window.isOpen).toBe(true)
    window.add('b')
    expect(window.isOpen).toBe(false)
    expect(window.credit({ items: 1, bytes: 1 })).toBe(true)
    expect(window.isOpen).toBe(true)
  })

  test('is closed by bytes too, and lets one item through that is larger than its room', () => {
    const window = new StreamWindow({ items: 10, bytes: 5 })
    expect(window.isOpen).toBe(true)
    window.add('longer than that')
    expect(window.isOpen).toBe(false)
    window.credit({ items: 1, bytes: 16 })
    window.add('1234')
    expect(window.isOpen).toBe(true)
  })

  test('takes no credit for more than was sent, nor the same twice, nor less than before', () => {
    const window = new StreamWindow({ items: 4, bytes: 100 })
    for (const item of ['a', 'b', 'c']) window.add(item)
    expect(window.credit({ items: 4, bytes: 3 })).toBe(false)
    expect(window.credit({ items: 3, bytes: 4 })).toBe(false)
    expect(window.credit({ items: 2, bytes: 2 })).toBe(true)
    expect(window.credit({ items: 2, bytes: 2 })).toBe(false)
    expect(window.credit({ items: 1, bytes: 2 })).toBe(false)
    expect(window.credit({ items: 3, bytes: 1 })).toBe(false)
    expect(window.credit({ items: 3, bytes: 3 })).toBe(true)
  })

  test('tells the next frame from one that was there, and from what cannot be', () => {
    const window = new StreamWindow({ items: 4, bytes: 100 })
    expect(window.accept(frame(0, 'a', null))).toBe('next')
    expect(window.accept(frame(0, 'a', null))).toBe('repeated')
    expect(window.accept(frame(3, 'd'))).toBe('broken')
    expect(window.accept(frame(1, 'b', 'c'))).toBe('broken')
    expect(window.accept(frame(2, 'c', 'd'))).toBe('next')
    expect(window.accept(frame(4, 'e'))).toBe('broken')
  })
})
