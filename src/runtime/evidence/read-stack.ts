import type { Socket } from 'node:net'
import { dropOwnFrames } from '../own-frames.js'

/** One line of a stack as the inspector tells it. Lines and columns count from 0 there. */
interface CallFrame {
  readonly functionName: string
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number }
}

/** What the inspector says, or whoever else may listen there: nothing of it is believed before it is looked at. */
interface Message {
  readonly method?: unknown
  readonly params?: { readonly callFrames?: unknown; readonly scriptId?: unknown; readonly url?: unknown }
}

/** Innermost frames of a stack that are kept, and characters of each. */
const FRAMES = 20
const FRAME_LENGTH = 1_000
/** What one message of the inspector may hold: every script is told by itself, with the map to its source. */
const MESSAGE_BYTES = 4 * 1024 * 1024
/** And all of them. */
const TOTAL_BYTES = 64 * 1024 * 1024
/** The request that closes the inspector: its answer may not come any more. */
const CLOSE = 'process._debugEnd()'

/**
 * Pauses a process at its inspector (`ws://127.0.0.1:port/id`), reads its stack, lets it go on and closes the inspector. V8
 * stops a running loop for this, a wait on a lock and a regular expression too; a system call it does not.
 *
 * Rejects when the signal says that the time is up.
 */
export async function readStack(address: string, signal: AbortSignal): Promise<string> {
  const socket = await connect(new URL(address), signal)
  try {
    /** The file of each script: told of all of them before anything pauses. Frames name them by their ids. */
    const files = new Map<string, string>()
    return await new Promise((resolve, reject) => {
      const read = reader(({ method, params = {} }) => {
        const { scriptId, url } = params
        if (method === 'Debugger.scriptParsed' && typeof scriptId === 'string' && typeof url === 'string')
          files.set(scriptId, url)
        if (method !== 'Debugger.paused') return
        resolve(describe(callFrames(params.callFrames), files))
        write(socket, 3, 'Debugger.resume')
        write(socket, 4, 'Runtime.evaluate', { expression: CLOSE })
      })
      socket.on('data', (chunk) => {
        try {
          if (read(chunk)) return
        } catch {
          reject(new Error('what listens there is no inspector'))
        }
        socket.destroy()
      })
      socket.once('close', () => reject(new Error('its inspector closed the connection')))
      signal.addEventListener('abort', () => reject(new Error('it did not stop for its inspector')), { once: true })
      write(socket, 1, 'Debugger.enable')
      write(socket, 2, 'Debugger.pause')
    })
  } finally {
    // The inspector closes when it has let go of everybody, which it waits for.
    setTimeout(() => socket.destroy(), LET_GO).unref()
    socket.once('end', () => socket.destroy())
  }
}

/** How long a connection stays when the stack is known: until the request to close has been read, ms. */
const LET_GO = 500

function connect({ hostname, port, pathname }: URL, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { request } = process.getBuiltinModule('node:http')
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    }
    const asked = request({ host: hostname, port, path: pathname, headers, agent: false, signal })
    asked.on('upgrade', (_, socket) => {
      socket.on('error', () => socket.destroy())
      resolve(socket)
    })
    asked.on('response', (response) => {
      response.destroy()
      reject(new Error(`its inspector answered ${response.statusCode}`))
    })
    asked.on('error', reject)
    asked.end()
  })
}

function randomBytes(count: number): Buffer {
  return process.getBuiltinModule('node:crypto').randomBytes(count)
}

function write(socket: Socket, id: number, method: string, params: object = {}): void {
  const text = Buffer.from(JSON.stringify({ id, method, params }))
  // A client masks what it sends (RFC 6455, 5.3). Nobody stands in between whom the mask would have to puzzle.
  const mask = randomBytes(4)
  const head = text.length < 126 ? [0x81, 0x80 | text.length] : [0x81, 0x80 | 126, text.length >> 8, text.length & 255]
  const masked = text.map((byte, index) => byte ^ (mask[index % 4] ?? 0))
  socket.write(Buffer.concat([Buffer.from(head), mask, masked]))
}

/**
 * Takes what arrives and gives each message that is whole. False: the end, or nothing that can be read on. Throws at what is
 * no message.
 */
function reader(take: (message: Message) => void): (chunk: Buffer) => boolean {
  let rest: Buffer = Buffer.alloc(0)
  let total = 0
  return (chunk) => {
    total += chunk.length
    if (total > TOTAL_BYTES) return false
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const size = sizeOf(rest)
      if (!size) return true
      const { from, length } = size
      if (length > MESSAGE_BYTES) return false
      if (rest.length < from + length) return true
      const text = rest.subarray(from, from + length)
      // The inspector writes each message as one frame of text; 8 is its goodbye.
      const kind = (rest[0] ?? 0) & 15
      rest = rest.subarray(from + length)
      if (kind === 8) return false
      if (kind === 1) take(JSON.parse(text.toString('utf8')) as Message)
    }
  }
}

/** Where the content of the first WebSocket frame begins, and its length. Undefined while not even that has arrived. */
function sizeOf(bytes: Buffer): { from: number; length: number } | undefined {
  const short = (bytes[1] ?? 0) & 127
  if (bytes.length < 2) return undefined
  if (short < 126) return { from: 2, length: short }
  if (short === 126) return bytes.length < 4 ? undefined : { from: 4, length: bytes.readUInt16BE(2) }
  return bytes.length < 10 ? undefined : { from: 10, length: Number(bytes.readBigUInt64BE(2)) }
}

/** Throws at what is no list of them. */
function callFrames(value: unknown): readonly CallFrame[] {
  const frames = value as readonly CallFrame[]
  const known = frames.every(
    ({ functionName, location }) =>
      typeof functionName === 'string' &&
      typeof location.scriptId === 'string' &&
      Number.isInteger(location.lineNumber) &&
      Number.isInteger(location.columnNumber ?? 0),
  )
  if (!known) throw new TypeError('Expected call frames')
  return frames
}

/** As V8 writes a stack, so that every editor finds the place. */
function describe(frames: readonly CallFrame[], files: ReadonlyMap<string, string>): string {
  const lines = frames.map(({ functionName, location }) => {
    const file = files.get(location.scriptId) ?? '<anonymous>'
    const place = `${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`
    return (functionName ? `    at ${functionName} (${place})` : `    at ${place}`).slice(0, FRAME_LENGTH)
  })
  return dropOwnFrames(lines.join('\n')).split('\n').slice(0, FRAMES).join('\n')
}
