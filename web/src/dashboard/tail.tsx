// Shows all stored events of a stream's topics, and then the live ones.

import {useEffect, useState} from 'preact/hooks'
import {EventList} from '../console/event-list'
import {Panel} from '../console/panel'
import {STREAMS} from '../console/streams'
import {Choice, Text} from '../ui/parts'

export function Tail({as}: {as: string}) {
  const [panel] = useState(() => new Panel(as))
  useEffect(() => () => panel.disconnect(), [panel])
  panel.who.value = as
  const kind = panel.kind.value
  const active = panel.isActive.value
  return (
    <section class="card" aria-label="Live tail">
      <header class="panel-head">
        <h2>Live tail</h2>
        <span class="hint">all that is kept, then what comes</span>
      </header>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          if (active) panel.disconnect()
          else {
            panel.clear()
            panel.connect('earliest')
          }
        }}
      >
        <Choice
          label="Stream"
          value={kind.key}
          disabled={active}
          options={STREAMS.filter(({shows}) => shows.length > 0).map(({key, label}) => ({value: key, label}))}
          onValue={(key) => {
            panel.kind.value = STREAMS.find((one) => one.key === key) ?? kind
            panel.value.value = ''
          }}
        />
        {kind.field && (
          <Text
            label={kind.field.label}
            placeholder={kind.field.placeholder}
            value={panel.value.value}
            disabled={active}
            onValue={(value) => (panel.value.value = value)}
          />
        )}
        <button type="submit" class={active ? '' : 'primary'}>
          {active ? 'Stop' : 'Follow'}
        </button>
      </form>
      <EventList panel={panel} />
    </section>
  )
}
