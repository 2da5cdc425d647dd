/** One worker: a Koa app that knows nothing of the others, nor of Troupe, and keeps what it knows of its clients in memory. */
import Koa from 'koa'

const visits = new Map<string, number>()
const app = new Koa()

app.use((context) => {
  const count = (visits.get(context.ip) ?? 0) + 1
  visits.set(context.ip, count)
  context.body = `Visit ${count} from ${context.ip}, served by process ${process.pid}\n`
})

const server = app.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1')
server.on('listening', () => console.log('Listening on', server.address()))
