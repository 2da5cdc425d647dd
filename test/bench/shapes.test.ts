import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { entryOf, whyAbsent } from '../../bench/messages/candidates.js'
import { SHAPES } from '../../bench/messages/shapes.js'

describe('the shapes of messages', () => {
  it.each(SHAPES)('are measured by programs that there are: $title', ({ rivals }) => {
    for (const { name } of rivals) {
      const program = new URL(`../../bench/messages/candidates/${entryOf(name).program}.mjs`, import.meta.url)
      expect(existsSync(program), program.pathname).toBe(true)
    }
  })

  it.each(SHAPES)('have whoever a target speaks of right after us: $title', ({ rivals }) => {
    const judged = rivals.map(({ atLeast, atMost }) => atLeast !== undefined || atMost !== undefined)
    expect(judged).toEqual([...judged].sort().reverse())
  })

  it('are told apart by their titles', () => {
    expect(new Set(SHAPES.map(({ title }) => title)).size).toBe(SHAPES.length)
  })
})

describe('a candidate', () => {
  it('that nobody has heard of is an error that names those there are', () => {
    expect(() => entryOf('carrier pigeon')).toThrow(/Expected one of troupe, .*, got carrier pigeon/)
  })

  it('whose program the machine has not is left out with what to install', () => {
    const needs = { command: 'no-such-program-here', from: 'some-package' }
    expect(whyAbsent({ name: 'broker', program: 'broker', needs })).toBe(
      'broker is left out: no-such-program-here is not installed (apt-get install some-package)',
    )
    expect(whyAbsent({ name: 'broker', program: 'broker' })).toBeUndefined()
  })
})
