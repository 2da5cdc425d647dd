/**
 * What the primary does for the workers: `Rooms` as methods, and the publishing that follows from each change.
 *
 * Without side effects at import: `main.ts` hands in the rooms, who is calling, and how to publish.
 */
import type { Channel } from 'troupe'
import {
  directoryChanged,
  type ListenProblem,
  messagePosted,
  type PrimaryMethods,
  presenceChanged,
} from './contract.js'
import type { Holder, Rooms } from './rooms.js'

/**
 * People come in herds: when a worker dies, everyone who was on it returns within a second. Each list of people is sent
 * to all of them, so it is sent once per herd, not once per person; the list of rooms can be a little older.
 */
const PEOPLE_WITHIN_MS = 100
const DIRECTORY_WITHIN_MS = 500

export interface PrimaryParts {
  rooms: Rooms
  /** The worker whose call is being answered. */
  caller: () => Holder
  publish: <T>(channel: Channel<T>, value: T) => void
}

export function createPrimary({ rooms, caller, publish }: PrimaryParts) {
  const changedRooms = new Set<string>()
  let listenProblem: ListenProblem | undefined

  const announceDirectory = within(DIRECTORY_WITHIN_MS, () => publish(directoryChanged, rooms.directory()))
  const announcePeople = within(PEOPLE_WITHIN_MS, () => {
    for (const room of changedRooms) publish(presenceChanged, { room, people: rooms.people(room) })
    changedRooms.clear()
  })

  function peopleChanged(changed: string[]): void {
    if (changed.length === 0) return
    for (const room of changed) changedRooms.add(room)
    announcePeople()
    announceDirectory()
  }

  const methods: PrimaryMethods = {
    join(request) {
      const { answer, changed } = rooms.join(caller(), request)
      peopleChanged(changed)
      return answer
    },
    leave(connection) {
      peopleChanged(rooms.leave(caller(), connection))
    },
    post(connection, room, nonce, text) {
      const posted = rooms.post(caller(), connection, room, nonce, text)
      if (!posted.ok) return posted
      const { log, seq, message } = posted.value
      if (message) {
        // Numbered and published in the same turn, so the order on the channel is the order of the numbers.
        publish(messagePosted, { room, log, message })
        announceDirectory()
      }
      return { ok: true, value: { seq } }
    },
    locate: (connection, person) => rooms.locate(caller(), connection, person),
    directory: () => rooms.directory(),
    cannotListen(reason) {
      listenProblem = reason
    },
  }

  return {
    methods,
    listenProblem: () => listenProblem,
    /** A worker's process has ended. Its people come back through another worker; until then they are not here. */
    workerGone: (incarnation: number) => peopleChanged(rooms.leaveAll(incarnation)),
  }
}

/** Runs once within `delay` milliseconds, however often it is asked to meanwhile. */
function within(delay: number, run: () => void): () => void {
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    setTimeout(() => {
      isDue = false
      run()
    }, delay).unref()
  }
}
