import { closeSync, openSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ProcessDescriptors } from '../../../src/runtime/connections/descriptors.js'

/** The next descriptor that this process will get. */
function nextDescriptor(): number {
  const fd = openSync('/dev/null', 'r')
  closeSync(fd)
  return fd
}

describe('the last descriptors are reserved', () => {
  test.each([
    [1_048_576, 1_048_544],
    [1_024, 992],
    [128, 96],
    [127, 95],
    // Of few, a quarter is.
    [64, 48],
    [10, 7],
    [1, 0],
  ])('with a limit of %d, from %d on', (limit, highest) => {
    const descriptors = new ProcessDescriptors(limit)
    expect([descriptors.isReserved(highest - 1), descriptors.isReserved(highest)]).toEqual([false, true])
  })

  test('without a limit, none is', () => {
    expect(new ProcessDescriptors(Number.POSITIVE_INFINITY).isReserved(Number.MAX_SAFE_INTEGER)).toBe(false)
  })
})

describe('descriptors are short', () => {
  test('when the next is a reserved one', () => {
    const next = nextDescriptor()
    // Of so many, the last 32 are reserved.
    const descriptors = new ProcessDescriptors(next + 33 + 128)
    const fds = Array.from({ length: 129 }, () => openSync('/dev/null', 'r'))
    onTestFinished(() => fds.forEach((fd) => void closeSync(fd)))
    expect(descriptors.areShort()).toBe(true)
    closeSync(fds.pop()!)
    expect(descriptors.areShort()).toBe(false)
  })

  test("by the process's own limit, and not here", () => {
    expect(new ProcessDescriptors().areShort()).toBe(false)
  })
})
