import { expect, test } from 'vitest'
import { OutputTail, TAIL_BYTES } from '../../../src/runtime/evidence/output-tail.js'

const tailOf = (...chunks: (string | Buffer)[]): string => {
  const tail = new OutputTail()
  for (const chunk of chunks) tail.add(Buffer.from(chunk as string))
  return tail.text()
}

test('a little output is kept whole', () => {
  expect(tailOf('first\n', 'second\n')).toBe('first\nsecond\n')
  expect(tailOf()).toBe('')
})

test('of much output the last is kept, from the start of a line', () => {
  const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index}\n`)
  const text = tailOf(...lines)
  expect(text.length).toBeLessThanOrEqual(TAIL_BYTES)
  expect(text.length).toBeGreaterThan(TAIL_BYTES - 20)
  expect(text.endsWith('line 4999\n')).toBe(true)
  expect(text).toMatch(/^line \d+\n/)
})

test('a line that is longer than all is cut', () => {
  expect(tailOf('x'.repeat(2 * TAIL_BYTES))).toBe('x'.repeat(TAIL_BYTES))
})

test('a long line with its end keeps what fits of it', () => {
  expect(tailOf(`${'x'.repeat(2 * TAIL_BYTES)}\n`)).toBe(`${'x'.repeat(TAIL_BYTES - 1)}\n`)
})

test('a character that was written in two parts is read as one', () => {
  const bytes = Buffer.from('grün')
  expect(tailOf(bytes.subarray(0, 3), bytes.subarray(3))).toBe('grün')
})

test('shows no more than its size, whatever is written', () => {
  const tail = new OutputTail()
  for (let index = 0; index < 10_000; index++) tail.add(Buffer.alloc(1_024, 'x'))
  expect(tail.text().length).toBe(TAIL_BYTES)
})
