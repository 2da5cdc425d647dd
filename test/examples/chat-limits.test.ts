import { describe, expect, it } from 'vitest'
import { cleanMessage, cleanName, cleanRoom, LIMITS, sameName } from '../../examples/chat/limits.js'
import { TokenBucket } from '../../examples/chat/token-bucket.js'

const RIGHT_TO_LEFT_OVERRIDE = '\u202E'
const ZERO_WIDTH_SPACE = '\u200B'

describe('a name', () => {
  it('is trimmed, and its inner white space becomes one space', () => {
    expect(cleanName('  Ada \t\n Lovelace ')).toEqual({ ok: true, value: 'Ada Lovelace' })
  })

  it('loses what would reorder or hide its neighbours', () => {
    const name = `A${RIGHT_TO_LEFT_OVERRIDE}d${ZERO_WIDTH_SPACE}a\u0000`
    expect(cleanName(name)).toEqual({ ok: true, value: 'Ada' })
  })

  it('needs something to see', () => {
    for (const name of ['', '   ', ZERO_WIDTH_SPACE, '\u3164', '\u200D']) {
      expect(cleanName(name), JSON.stringify(name)).toMatchObject({ ok: false })
    }
  })

  it('is counted in characters, not in the halves that UTF-16 makes of them', () => {
    expect(cleanName('😀'.repeat(LIMITS.nameLength))).toMatchObject({ ok: true })
    expect(cleanName('a'.repeat(LIMITS.nameLength + 1))).toEqual({
      ok: false,
      reason: 'A name has at most 32 characters; this one has 33.',
    })
  })

  it('keeps markup, which is only text here', () => {
    expect(cleanName('<b>Ada</b>')).toEqual({ ok: true, value: '<b>Ada</b>' })
  })

  it('is the same as another one that looks like it', () => {
    expect(sameName('Ada', 'ADA')).toBe(true)
    expect(sameName('Ada', 'Ａｄａ')).toBe(true)
    expect(sameName('Ada', 'A\u200Dda')).toBe(true)
    expect(sameName('Ada', 'Ida')).toBe(false)
  })
})

describe('a room', () => {
  it('is made of a clear alphabet, in lower case', () => {
    expect(cleanRoom(' Stage-2_b ')).toEqual({ ok: true, value: 'stage-2_b' })
  })

  it('is nothing else', () => {
    for (const room of ['', '-a', 'a b', 'a/b', '<script>', 'café', '../x', '#lobby']) {
      expect(cleanRoom(room), room).toMatchObject({ ok: false })
    }
    expect(cleanRoom('a'.repeat(33))).toMatchObject({ ok: false, reason: expect.stringContaining('has 33') })
  })
})

describe('a message', () => {
  it('keeps its lines and its indentation', () => {
    expect(cleanMessage('if\r\n\tthen\r\n')).toEqual({ ok: true, value: 'if\n\tthen' })
  })

  it('loses control characters, overrides, and blank pages', () => {
    expect(cleanMessage(`\n\na\u0007${RIGHT_TO_LEFT_OVERRIDE}b\n\n\n\n\nc`)).toEqual({ ok: true, value: 'ab\n\nc' })
  })

  it('keeps emoji that are joined of several characters', () => {
    for (const emoji of ['👩‍👩‍👧', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '❤️']) expect(cleanMessage(emoji)).toEqual({ ok: true, value: emoji })
  })

  it('is well-formed Unicode afterwards, with few marks on each letter', () => {
    expect(cleanMessage('a\uD800')).toEqual({ ok: true, value: 'a\uFFFD' })
    expect(cleanMessage(`q${'\u0335'.repeat(50)}`)).toEqual({ ok: true, value: `q${'\u0335'.repeat(4)}` })
  })

  it('is refused with both numbers when it is too long', () => {
    expect(cleanMessage('x'.repeat(LIMITS.messageLength))).toMatchObject({ ok: true })
    expect(cleanMessage('x'.repeat(10_240))).toEqual({
      ok: false,
      reason: 'A message has at most 2\u202F000 characters; this one has 10\u202F240.',
    })
    expect(cleanMessage('x\n'.repeat(61))).toMatchObject({ ok: false, reason: expect.stringContaining('61') })
  })

  it('is refused when there is nothing to read', () => {
    expect(cleanMessage(' \n\t\u200B ')).toMatchObject({ ok: false })
  })
})

describe('a token bucket', () => {
  it('allows the burst, then says how long to wait', () => {
    const bucket = new TokenBucket({ perSecond: 5, burst: 3 }, 0)
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([0, 0, 0, 200])
  })

  it('refills with time, up to the burst', () => {
    const bucket = new TokenBucket({ perSecond: 5, burst: 2 }, 0)
    bucket.take(0)
    bucket.take(0)
    expect(bucket.take(100)).toBe(100)
    expect(bucket.take(200)).toBe(0)
    expect([60_000, 60_000, 60_000].map((now) => bucket.take(now))).toEqual([0, 0, 200])
  })

  it('does not count backwards when the clock does', () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 1 }, 1_000)
    expect(bucket.take(1_000)).toBe(0)
    expect(bucket.take(0)).toBe(1_000)
  })
})
