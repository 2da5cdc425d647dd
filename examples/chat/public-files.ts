/**
 * The page: a fixed table of files, read once at start and served from memory.
 *
 * A request's path is looked up and never becomes a path on disk. The policy lets the page load nothing but these
 * files, and run nothing that is written into the HTML, so that even a mistake in the page could not run a message.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'

const FOLDER = new URL('./public/', import.meta.url)

const SCRIPTS = [
  'app',
  'composer',
  'connection',
  'dom',
  'format',
  'history',
  'messages',
  'name-dialog',
  'outbox',
  'sidebar',
  'tab',
  'typing',
]
const STYLES = ['base', 'composer', 'controls', 'layout', 'overlays', 'room', 'sidebar']

/** Path in the address, file in `public/`, and content type. */
const FILES: [path: string, file: string, type: string][] = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
  ...SCRIPTS.map((name) => fileAt(`${name}.js`, 'text/javascript; charset=utf-8')),
  ...STYLES.map((name) => fileAt(`styles/${name}.css`, 'text/css; charset=utf-8')),
]

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

export async function loadPublicFiles(): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const loaded = await Promise.all(
    FILES.map(async ([path, file, type]) => {
      const body = await readFile(new URL(file, FOLDER))
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 20)}"`
      // `no-cache`: kept by the browser, but asked for by ETag each time, as the names do not change with the contents.
      const headers = { 'Content-Type': type, 'Cache-Control': 'no-cache', ETag: etag }
      return [path, { body, etag, headers }] as const
    }),
  )
  const files = new Map(loaded)

  return (request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end()
      return
    }
    const found = files.get(request.url?.split('?', 1)[0] ?? '')
    if (!found) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('Nothing here.\n')
    } else if (request.headers['if-none-match'] === found.etag) {
      response.writeHead(304, found.headers).end()
    } else {
      response.writeHead(200, { ...found.headers, 'Content-Length': found.body.length })
      response.end(request.method === 'HEAD' ? undefined : found.body)
    }
  }
}

function fileAt(file: string, type: string): [string, string, string] {
  return [`/${file}`, file, type]
}
