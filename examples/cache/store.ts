import Database from 'libsql'
import type { Item } from './contract.js'

/**
 * How long a statement may wait for another process's write, ms. The driver is synchronous, so the whole worker waits;
 * writes take well below a millisecond here. Shorter than `timeouts.ack` of the cluster, so that a worker which waits
 * for the database can still acknowledge in time.
 */
const BUSY_TIMEOUT = 1_000

/** The table of items. Every process has one of its own, over the same file. */
export interface ItemStore {
  read(key: string): Item | undefined
  /** Creates or replaces. Committed when it returns. */
  write(key: string, value: string): { version: number; isNew: boolean }
  /** Gives the version that was removed, or undefined where there was none. */
  remove(key: string): number | undefined
  close(): void
}

/**
 * Makes the file ready for several processes. Called once, by the primary, before there are workers: changing to WAL
 * needs the file for itself, and workers that start together would refuse each other.
 */
export function prepareStore(file: string): void {
  const database = open(file)
  // Readers do not wait for the writer, nor the writer for readers. Stays with the file.
  database.pragma('journal_mode = WAL')
  // AUTOINCREMENT, so that a version is never used twice.
  database.exec(`CREATE TABLE IF NOT EXISTS items (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL
  )`)
  database.close()
}

export function openStore(file: string): ItemStore {
  const database = open(file)
  // In WAL mode this is safe against a crash of any process; a power cut may take the last commits with it.
  database.pragma('synchronous = NORMAL')
  const select = database.prepare<[string]>('SELECT version, value FROM items WHERE key = ?')
  const insert = database.prepare<[string, string]>('INSERT INTO items (key, value) VALUES (?, ?) RETURNING version')
  const remove = database.prepare<[string]>('DELETE FROM items WHERE key = ? RETURNING version')
  const removeAndReturn = (key: string): number | undefined => (remove.get(key) as Item | undefined)?.version
  const replace = database.transaction((key: string, value: string) => {
    const isNew = removeAndReturn(key) === undefined
    const { version } = insert.get(key, value) as Item
    return { version, isNew }
  })
  return {
    read(key) {
      const row = select.get(key) as Item | undefined
      return row && { version: row.version, value: row.value }
    },
    // `immediate` takes the write lock at the start: only there does SQLite wait its turn (`BUSY_TIMEOUT`).
    write: (key, value) => replace.immediate(key, value),
    remove: removeAndReturn,
    close: () => database.close(),
  }
}

/** Another process kept the database locked for all of `BUSY_TIMEOUT`; nothing was written. */
export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY'
}

function open(file: string): InstanceType<typeof Database> {
  return new Database(file, { timeout: BUSY_TIMEOUT })
}
