import { expect, test } from 'vitest'
import { sending, whenSent } from '../../../src/runtime/transports/sent-handles.js'

test('a handle that waits in pipes is closed when the last of them has let go of it, and any other at once', () => {
  const closed: string[] = []
  const [handle, other] = [{}, {}]
  const [first, second] = [sending(handle), sending(handle)]
  whenSent(handle, () => closed.push('handle'))
  whenSent(other, () => closed.push('other'))
  first()
  expect(closed).toEqual(['other'])
  second()
  expect(closed).toEqual(['other', 'handle'])
  whenSent(handle, () => closed.push('again'))
  expect(closed).toEqual(['other', 'handle', 'again'])
})
