import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { methodProxy } from '../../../src/runtime/messaging/proxy.js'

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>

function open() {
  const calls: [string, unknown[]][] = []
  const proxy = methodProxy(async (method, args) => {
    calls.push([method, args])
    return 'answer'
  }, 'worker 2') as Methods
  return { calls, proxy }
}

test('every name is a method, which is called with its arguments', async () => {
  const { calls, proxy } = open()
  expect(await proxy.resize?.('a.png', 200)).toBe('answer')
  await proxy['any name']?.()
  expect(calls).toEqual([
    ['resize', ['a.png', 200]],
    ['any name', []],
  ])
})

test('a method is the same function every time', () => {
  const { proxy } = open()
  expect(proxy.resize).toBe(proxy.resize)
})

test('can be awaited, resolved and returned from an async function without a call', async () => {
  const { calls, proxy } = open()
  expect(await proxy).toBe(proxy)
  expect(await Promise.resolve(proxy)).toBe(proxy)
  expect(calls).toEqual([])
})

test('can be printed and turned into a text or JSON without a call', () => {
  const { calls, proxy } = open()
  inspect(proxy)
  expect(Object.prototype.toString.call(proxy)).toBe('[object worker 2]')
  expect(JSON.stringify({ proxy })).toBe('{"proxy":{}}')
  expect(calls).toEqual([])
})

test.each(['then', 'toJSON', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__', 'isPrototypeOf'])(
  '%s is never remote',
  (name) => {
    const { proxy } = open()
    expect(proxy[name]).toBeUndefined()
    expect(name in proxy).toBe(false)
  },
)

test('symbols are never remote', () => {
  const { proxy } = open()
  const symbols = proxy as unknown as Record<symbol, unknown>
  for (const symbol of [Symbol.iterator, Symbol.asyncIterator, Symbol.toPrimitive, Symbol.dispose])
    expect(symbols[symbol]).toBeUndefined()
})

test('nothing can be set on it', () => {
  const { proxy } = open()
  expect(() => {
    proxy.resize = async () => {}
  }).toThrow(TypeError)
  expect(Reflect.defineProperty(proxy, 'x', { value: 1 })).toBe(false)
})
