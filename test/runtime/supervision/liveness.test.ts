import { expect, test } from 'vitest'
import { consequences, type Life } from '../../../src/runtime/supervision/liveness.js'

const LIMITS = { heartbeat: 2_000, blocked: 30_000 }

/** Workers 1..n by their silence; `!` marks one that is out of rotation. */
function judged(text: string, killing = false): string {
  const lives = text.split(' ').map(
    (word, index): Life => ({
      incarnation: index + 1,
      silent: Number(word.replace('!', '')),
      inRotation: !word.endsWith('!'),
    }),
  )
  const { out, kill } = consequences(lives, LIMITS, killing)
  return `out ${out.join(' ') || 'nobody'}, kill ${kill ?? 'nobody'}`
}

test.each([
  ['0 1999', 'out nobody, kill nobody'],
  ['0 2000', 'out 2, kill nobody'],
  ['5000! 0 100', 'out nobody, kill nobody'],
  // The last one in rotation stays there, and it is the one that was heard last.
  ['2500 2000', 'out 1, kill nobody'],
  ['2500! 2000', 'out nobody, kill nobody'],
  ['2000', 'out nobody, kill nobody'],
  ['3000 4000 2500', 'out 2 1, kill nobody'],
  // Past the hard limit one is killed, also the last one: it serves nobody.
  ['30000! 0', 'out nobody, kill 1'],
  ['30000', 'out nobody, kill 1'],
  ['30000! 40000! 0', 'out nobody, kill 2'],
  ['30000 0', 'out 1, kill 1'],
])('%s: %s', (lives, outcome) => {
  expect(judged(lives)).toBe(outcome)
})

test('nobody is killed while the place of another is empty', () => {
  expect(judged('40000! 50000! 0', true)).toBe('out nobody, kill nobody')
})
