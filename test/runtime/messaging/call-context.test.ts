import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import {
  activeContext,
  CallContext,
  type CallContextFields,
  currentCall,
  givenUpBy,
  runInContext,
} from '../../../src/runtime/messaging/call-context.js'
import { FakeClock } from '../../support/fake-clock.js'

function open(fields: Partial<CallContextFields> = {}) {
  const clock = new FakeClock(1_000)
  const context = new CallContext(
    { caller: { id: 1, incarnation: 4 }, target: 2, method: 'resize', deadline: 1_500, chain: [], ...fields },
    clock,
  )
  return { clock, context }
}

describe('outside a call', () => {
  test('there is no caller, no deadline, and a signal that has not fired', () => {
    expect(currentCall()).toMatchObject({
      caller: undefined,
      target: undefined,
      method: undefined,
      deadline: Number.POSITIVE_INFINITY,
      remaining: Number.POSITIVE_INFINITY,
    })
    expect(currentCall().signal.aborted).toBe(false)
  })

  test('nothing of it can be changed', () => {
    expect(Object.isFrozen(currentCall())).toBe(true)
  })
})

describe('inside a call', () => {
  test('says who called what, and how long it has', async () => {
    const { clock, context } = open()
    await clock.advance(100)
    runInContext(context, () => {
      expect(currentCall()).toMatchObject({
        caller: { id: 1, incarnation: 4 },
        target: 2,
        method: 'resize',
        deadline: 1_500,
        remaining: 400,
      })
    })
  })

  test('leaves the stores of others as they are, and none of its own', async () => {
    const theirs = new AsyncLocalStorage<string>()
    const { context } = open()
    await theirs.run('a request', async () => {
      await runInContext(context, async () => {
        expect(theirs.getStore()).toBe('a request')
        await Promise.resolve()
        expect([theirs.getStore(), currentCall().method]).toEqual(['a request', 'resize'])
      })
      expect([theirs.getStore(), activeContext()]).toEqual(['a request', undefined])
    })
    runInContext(context, () => expect(theirs.getStore()).toBeUndefined())
    expect([theirs.getStore(), activeContext()]).toEqual([undefined, undefined])
  })

  test('is its own when one begins inside another', async () => {
    const [outer, inner] = [open({ method: 'outer' }).context, open({ method: 'inner' }).context]
    await runInContext(outer, async () => {
      const other = runInContext(inner, async () => {
        await Promise.resolve()
        return currentCall().method
      })
      expect(currentCall().method).toBe('outer')
      expect(await other).toBe('inner')
      expect(currentCall().method).toBe('outer')
    })
  })

  test('is found again after an await', async () => {
    const { context } = open()
    await runInContext(context, async () => {
      await Promise.resolve()
      expect(currentCall().method).toBe('resize')
    })
  })

  test('is inert when the method has settled, though the code runs on', async () => {
    const { context } = open()
    await runInContext(context, async () => {
      expect(activeContext()).toBe(context)
      context.settle()
      await Promise.resolve()
      expect(activeContext()).toBeUndefined()
      expect(currentCall().method).toBeUndefined()
    })
  })

  test('the time left never falls below nothing', async () => {
    const { clock, context } = open()
    await clock.advance(10_000)
    expect(context.remaining).toBe(0)
  })
})

describe('the signal', () => {
  test('costs no timer until somebody looks at it', () => {
    const { clock, context } = open()
    expect(clock.armed).toBe(0)
    void context.signal
    expect(clock.armed).toBe(1)
  })

  test('is the same every time', () => {
    const { context } = open()
    expect(context.signal).toBe(context.signal)
  })

  test('fires at the abort, with its reason', () => {
    const { context } = open()
    const { signal } = context
    const reason = new Error('given up')
    context.abort(reason)
    expect(signal.reason).toBe(reason)
  })

  test('has fired already when somebody looks later', () => {
    const { context } = open()
    const reason = new Error('given up')
    context.abort(reason)
    expect(context.signal.reason).toBe(reason)
  })

  test('keeps the first reason', () => {
    const { context } = open()
    context.abort(new Error('first'))
    context.abort(new Error('second'))
    expect(context.signal.reason).toEqual(new Error('first'))
  })

  test('fires at the deadline by itself, as a TimeoutError', async () => {
    const { clock, context } = open()
    const { signal } = context
    await clock.advance(499)
    expect(signal.aborted).toBe(false)
    await clock.advance(1)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
  })

  test('never fires after the method has settled, and leaves no timer', async () => {
    const { clock, context } = open()
    const { signal } = context
    context.settle()
    context.abort(new Error('late'))
    await clock.advance(10_000)
    expect(signal.aborted).toBe(false)
    expect(clock.armed).toBe(0)
  })

  test('looked at only after the method has settled, it never fires', async () => {
    const { clock, context } = open()
    context.settle()
    const { signal } = context
    await clock.advance(10_000)
    expect(signal.aborted).toBe(false)
    expect(clock.armed).toBe(0)
  })

  test('an abort takes the timer with it', () => {
    const { clock, context } = open()
    void context.signal
    context.abort(new Error('x'))
    expect(clock.armed).toBe(0)
  })
})

describe('who wants to know of the abort', () => {
  test('is told once', () => {
    const { context } = open()
    const told: Error[] = []
    context.onAbort({ aborted: (reason) => told.push(reason) })
    context.abort(new Error('a'))
    context.abort(new Error('b'))
    expect(told).toEqual([new Error('a')])
  })

  test('is told at once when it has been', () => {
    const { context } = open()
    context.abort(new Error('a'))
    const told: Error[] = []
    context.onAbort({ aborted: (reason) => told.push(reason) })
    expect(told).toEqual([new Error('a')])
  })

  test('is not told when it has taken its wish back, or the method has settled', () => {
    const told: string[] = []
    const { context } = open()
    context.offAbort(context.onAbort({ aborted: () => told.push('taken back') }))
    context.abort(new Error('a'))
    const other = open().context
    other.onAbort({ aborted: () => told.push('settled') })
    other.settle()
    other.abort(new Error('b'))
    expect(told).toEqual([])
  })
})

describe('what begins when it has been given up already', () => {
  test('learns who gave it up, and why', () => {
    const { context } = open()
    const reason = new Error('too slow')
    expect(runInContext(context, () => givenUpBy(undefined, activeContext()))).toBeUndefined()
    context.abort(reason)
    expect(runInContext(context, () => givenUpBy(new AbortController().signal, activeContext()))?.reason).toBe(reason)
    expect(runInContext(context, () => givenUpBy(AbortSignal.abort('mine'), activeContext()))?.reason).toBe('mine')
    expect(givenUpBy(undefined, activeContext())).toBeUndefined()
  })
})
