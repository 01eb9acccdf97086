/** The cron windows of the coming week on a calendar. */

import { week, wall, type Block, type Day } from '../calendar';
import { count, date, hour } from '../format';
import { triggerTitle, type Trigger, type Window } from '../model';
import { Empty } from '../parts';

const HOURS = [0, 3, 6, 9, 12, 15, 18, 21, 24];

export function Calendar({ windows, triggers, now }: { windows: Window[]; triggers: Trigger[]; now: number }) {
  const lanes = [...new Set(windows.map((window) => window.trigger))].sort((a, b) => a - b);
  if (windows.length === 0) return <Empty>No window opens within a week.</Empty>;
  const days = week(windows, new Date(now));
  const title = (index: number): string => triggerTitle({ index, type: 'cron', ...(triggers[index]?.name ? { name: triggers[index].name } : {}) });
  return (
    <div class="calendar">
      <div class="hours" aria-hidden="true">
        {HOURS.map((at) => <span key={at} style={{ left: `${(at / 24) * 100}%` }}>{String(at).padStart(2, '0')}</span>)}
      </div>
      <ul>
        {days.map((day, index) => <Line key={day.date.getTime()} day={day} today={index === 0} lanes={lanes} now={now} title={title} />)}
      </ul>
      {lanes.length > 1 ? (
        <p class="legend" aria-hidden="true">
          {lanes.map((trigger, lane) => <span key={trigger}><i class={`swatch series-${lane % 5}`} />{title(trigger)}</span>)}
        </p>
      ) : null}
    </div>
  );
}

function Line({ day, today, lanes, now, title }: {
  day: Day; today: boolean; lanes: number[]; now: number; title: (trigger: number) => string;
}) {
  const style = (block: Block) => ({
    left: `${(block.from / 24) * 100}%`,
    width: `${(Math.max(0.05, block.to - block.from) / 24) * 100}%`,
    top: `${(lanes.indexOf(block.trigger) / lanes.length) * 100}%`,
    height: `${100 / lanes.length}%`,
  });
  return (
    <li class={today ? 'today' : ''}>
      <span class="day">{today ? 'Today' : date(day.date)}</span>
      <span class="track">
        {day.blocks.map((block, index) => {
          const text = block.replicas === undefined ? '' : String(block.replicas);
          return (
            <span key={index} class={`block series-${lanes.indexOf(block.trigger) % 5} ${block.continues.before ? 'open-left' : ''} ${block.continues.after ? 'open-right' : ''}`} style={style(block)} title={inWords(block, title)}>
              <span aria-hidden="true">{text}</span>
              <span class="hidden">{inWords(block, title)}; </span>
            </span>
          );
        })}
        {day.blocks.length === 0 ? <span class="hidden">no window</span> : null}
        {today ? <span class="now" style={{ left: `${(wall(new Date(now)) / 24) * 100}%` }} aria-hidden="true" /> : null}
      </span>
    </li>
  );
}

function inWords(block: Block, title: (trigger: number) => string): string {
  const at = (hours: number): string => hour(new Date(2000, 0, 1, 0, Math.round(hours * 60)));
  const replicas = block.replicas === undefined ? '' : `: ${count(block.replicas, 'replica')}`;
  return `${title(block.trigger)}, ${at(block.from)} to ${block.to === 24 ? '24:00' : at(block.to)}${replicas}`;
}
