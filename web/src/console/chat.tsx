// The view of a chat room: join, see the members, write, see who is typing.

import {signal} from '@preact/signals'
import {useEffect, useMemo, useRef, useState} from 'preact/hooks'
import {identities, identity} from '../lib/identity'
import {adviceOn} from '../ui/answer'
import {IdentityChoice} from '../ui/identity'
import {Empty, Text} from '../ui/parts'
import {Room} from './room'

const rooms = signal<Room[]>([])

export function ChatView() {
  useEffect(() => {
    if (rooms.value.length === 0) rooms.value = [new Room(identities.value[0]?.key ?? '')]
    // A stream that is not shown would occupy one of the browser's few connections.
    return () => {
      for (const room of rooms.value) room.leaveView()
    }
  }, [])
  return (
    <div class={`chats ${rooms.value.length > 1 ? 'two' : ''}`}>
      {rooms.value.map((room, nth) => (
        <Chat key={room} room={room} name={rooms.value.length > 1 ? `Chat ${nth + 1}` : 'Chat'} />
      ))}
      {rooms.value.length === 1 && (
        <button
          type="button"
          class="add"
          onClick={() => (rooms.value = [...rooms.value, new Room(identities.value[1]?.key ?? '')])}
        >
          + A second user beside it
        </button>
      )}
    </div>
  )
}

function Chat({room, name}: {room: Room; name: string}) {
  const [text, setText] = useState('')
  const list = useRef<HTMLDivElement>(null)
  const state = room.state.value
  const inside = state.is !== 'closed' && state.is !== 'failed'
  const me = identity(room.who.value).user
  const messages = room.messages.value
  useEffect(() => {
    const element = list.current
    if (element) element.scrollTop = element.scrollHeight
  }, [messages])
  const typing = useMemo(() => room.typing.value.filter((user) => user !== me), [room.typing.value, me])

  return (
    <section class="card chat" aria-label={name} data-state={state.is}>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          void (inside ? room.leave() : room.enter())
        }}
      >
        <Text label="Room" value={room.name.value} onValue={(value) => (room.name.value = value)} disabled={inside} />
        <IdentityChoice value={room.who.value} onValue={(key) => (room.who.value = key)} disabled={inside} />
        <button type="submit" class={inside ? '' : 'primary'}>
          {inside ? 'Leave' : 'Join'}
        </button>
      </form>
      {state.is === 'failed' && (
        <div class="trouble" role="alert">
          <p>
            <span class="chip bad">{state.refusal.status}</span> {state.refusal.message}
          </p>
          {adviceOn(state.refusal.code) && <p class="advice">{adviceOn(state.refusal.code)}</p>}
        </div>
      )}
      {room.problem.value && (
        <p class="trouble" role="alert">
          {room.problem.value}
        </p>
      )}
      <div class="members" aria-label="Members">
        <span class={`dot ${state.is}`} aria-hidden="true" />
        {room.members.value.length === 0
          ? inside
            ? 'Nobody is here'
            : 'Not in the room'
          : room.members.value.map((member) => (
              <span key={member.userId} class="member" title={`${member.userId}, ${member.connections} open`}>
                {member.username}
              </span>
            ))}
      </div>
      <div class="messages" ref={list} tabIndex={0} role="log" aria-label="Messages">
        {messages.length === 0 && <Empty>{inside ? 'No message yet.' : 'Join to see what is said.'}</Empty>}
        {messages.map((message) => (
          <p
            key={message.id}
            class={message.type === 'system' ? 'system' : message.userId === me ? 'mine' : ''}
            data-message={message.id}
          >
            {message.type !== 'system' && <span class="author">{message.username}</span>}
            <span class="said">{message.message}</span>
            <time class="faint" dateTime={message.timestamp}>
              {message.timestamp.slice(11, 16)}
            </time>
          </p>
        ))}
      </div>
      <p class="typing faint" aria-live="polite">
        {typing.length > 0 ? `${typing.join(', ')} ${typing.length === 1 ? 'is' : 'are'} typing …` : ''}
      </p>
      <form
        class="say"
        onSubmit={(event) => {
          event.preventDefault()
          if (!text.trim()) return
          void room.say(text).then((said) => said && setText(''))
        }}
      >
        <input
          aria-label="Message"
          placeholder={inside ? 'Write a message' : 'Join first'}
          value={text}
          disabled={!inside}
          autocomplete="off"
          maxLength={4000}
          onInput={(event) => {
            setText(event.currentTarget.value)
            room.isTyping()
          }}
        />
        <button type="submit" class="primary" disabled={!inside || !text.trim()}>
          Send
        </button>
      </form>
    </section>
  )
}
