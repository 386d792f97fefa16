// One user in one chat room: its stream, members and messages.
//
// Owns that stream and the membership. Earlier messages are read from the log, so that a new member sees them; the stream resumes
// after the last of them, so that none is missed.

import {batch, signal} from '@preact/signals'
import {EventStream, type State, type StreamEvent} from '../lib/event-stream'
import {identity} from '../lib/identity'
import {make, urlOf, type Answer} from '../lib/server'

export interface Message {
  id: string
  userId: string
  username: string
  message: string
  type: string
  timestamp: string
}

export interface Member {
  userId: string
  username: string
  joinedAt: string
  connections: number
}

/** How long "is typing" is shown after the last such event, and how often one is sent. */
const TYPING_MS = 4_000
const SAY_TYPING_MS = 2_000

const MAX_MESSAGES = 300

export class Room {
  readonly name = signal('general')
  readonly who = signal('')
  readonly state = signal<State>({is: 'closed'})
  readonly messages = signal<Message[]>([])
  readonly members = signal<Member[]>([])
  readonly typing = signal<string[]>([])
  readonly problem = signal('')

  #stream: EventStream | undefined
  #saidTyping = -SAY_TYPING_MS
  #timers = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(who: string) {
    this.who.value = who
  }

  async enter(): Promise<void> {
    this.#close()
    batch(() => {
      this.problem.value = ''
      this.messages.value = []
      this.state.value = {is: 'connecting'}
    })
    const history = await this.#history()
    if (!history) return
    this.messages.value = history.messages
    const stream = new EventStream({
      url: urlOf(`${this.#path}/stream`),
      token: identity(this.who.value).token,
      lastEventId: history.next,
      onEvent: (event) => this.#take(event),
      onState: (state) => (this.state.value = state),
    })
    this.#stream = stream
    stream.open()
    await this.#call('POST', `${this.#path}/join`)
    await this.#count()
  }

  async leave(): Promise<void> {
    await this.#call('POST', `${this.#path}/leave`)
    this.#close()
    this.members.value = []
  }

  /** Closes the stream when the view is no longer shown. The membership ends after the server's grace. */
  leaveView(): void {
    if (this.#stream) this.#close()
    this.members.value = []
  }

  /** Posts a message. Returns whether the server accepted it. */
  async say(message: string): Promise<boolean> {
    const body = JSON.stringify({roomId: this.name.value, message})
    const answer = await this.#call('POST', '/chat/message', body)
    return answer?.status === 200
  }

  isTyping(): void {
    if (performance.now() - this.#saidTyping < SAY_TYPING_MS) return
    this.#saidTyping = performance.now()
    void this.#call('POST', `${this.#path}/typing`)
  }

  get #path(): string {
    return `/chat/room/${encodeURIComponent(this.name.value)}`
  }

  #close(): void {
    this.#stream?.close()
    this.#stream = undefined
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    batch(() => {
      this.typing.value = []
      this.state.value = {is: 'closed'}
    })
  }

  /** Reads the earlier messages, and the id after which to resume; `undefined` if the server refuses. */
  async #history(): Promise<{messages: Message[]; next: string} | undefined> {
    const messages: Message[] = []
    let after = ''
    for (;;) {
      const query = new URLSearchParams({topic: `chat/room/${this.name.value}`, limit: '1000', ...(after ? {after} : {})})
      const answer = await this.#ask('GET', `/events?${query}`)
      if (answer?.status !== 200) {
        const body = answer?.body as {code?: string; message?: string} | undefined
        this.state.value = {
          is: 'failed',
          refusal: {
            status: answer?.status ?? 0,
            ...(body?.code ? {code: body.code} : {}),
            message: body?.message ?? 'The server does not answer',
          },
        }
        return undefined
      }
      const page = answer.body as {events: {data: Message}[]; next: string; end: boolean}
      messages.push(...page.events.map(({data}) => data))
      after = page.next
      if (page.end) return {messages: messages.slice(-MAX_MESSAGES), next: after}
    }
  }

  #take(event: StreamEvent): void {
    if (event.event === 'chat-message') {
      const message = JSON.parse(event.data) as Message
      if (this.messages.value.some(({id}) => id === message.id)) return
      this.messages.value = [...this.messages.value, message].slice(-MAX_MESSAGES)
      this.#stops(message.username)
      if (message.type === 'system') void this.#count()
    } else if (event.event === 'typing') {
      this.#types(JSON.parse(event.data) as {userId: string; username: string})
    } else if (event.event === 'connected') {
      void this.#count()
    }
  }

  #types({userId, username}: {userId: string; username: string}): void {
    if (userId === identity(this.who.value).user) return
    clearTimeout(this.#timers.get(username))
    this.#timers.set(username, setTimeout(() => this.#stops(username), TYPING_MS))
    if (!this.typing.value.includes(username)) this.typing.value = [...this.typing.value, username]
  }

  #stops(username: string): void {
    clearTimeout(this.#timers.get(username))
    this.#timers.delete(username)
    this.typing.value = this.typing.value.filter((one) => one !== username)
  }

  async #count(): Promise<void> {
    const answer = await this.#ask('GET', `${this.#path}/members`)
    if (answer?.status === 200 && this.#stream) this.members.value = (answer.body as {members: Member[]}).members
  }

  /** Makes a call, and shows its refusal to the user. */
  async #call(method: string, path: string, body?: string): Promise<Answer | undefined> {
    const answer = await this.#ask(method, path, body)
    const message = (answer?.body as {message?: string} | undefined)?.message
    this.problem.value = answer && answer.status < 400 ? '' : (message ?? 'The server does not answer.')
    return answer
  }

  async #ask(method: string, path: string, body?: string): Promise<Answer | undefined> {
    try {
      return await make({method, path, token: identity(this.who.value).token, body})
    } catch {
      return undefined
    }
  }
}
