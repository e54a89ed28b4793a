// The page of rill's http service.  It asks for nothing but what the stack itself serves: events come over /events,
// and what the user wants goes back in small POSTs.  Everything from the stack is put in as text, never as HTML.
'use strict';

const SPAN_S = 30, LADDER_MAX = 120, GONE_KEPT_S = 20;
const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

function element(name, attributes = {}, text) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}
function shape(name, attributes = {}, text) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}
function bytes(n) {
  if (n < 10000) return `${n} B`;
  const unit = n < 1e7 ? [1024, 'KiB'] : n < 1e10 ? [1048576, 'MiB'] : [1073741824, 'GiB'];
  return `${(n / unit[0]).toFixed(1)} ${unit[1]}`;
}
function power(n) { // of 2, for the axis
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  for (; n >= 1024 && i < 3; i++) n /= 1024;
  return `${n} ${units[i]}`;
}
const NONE = 2 ** 31 - 1; // what ssthresh is before the first loss: no limit
const time = us => us < 1000 ? `${us} µs` : us < 1e6 ? `${(us / 1000).toFixed(us < 1e4 ? 1 : 0)} ms` : `${(us / 1e6).toFixed(1)} s`;

// ---- What is known: one record for each connection, by its key -------------------------------------------------
const conns = new Map();
let chosen = null, now = 0, ladder = [], newest = 0, held = false, connected = false;

function connection(key) {
  let c = conns.get(key);
  if (!c) {
    c = {key, state: 'CLOSED', first: now, history: [], visited: new Set(), edges: new Set(), data: {}, gone: null};
    conns.set(key, c);
    if ($('follow').checked) c.fresh = true;
  }
  return c;
}
function startOver(c) {
  c.visited = new Set(['CLOSED']);
  c.edges = new Set();
  c.history = [];
  c.first = now;
  c.gone = null;
  if ($('follow').checked && !c.own) c.fresh = true;
}
function moveTo(c, from, to) {
  if (from === 'CLOSED' || to === 'SYN-SENT' || (from === 'LISTEN' && to === 'SYN-RECEIVED')) startOver(c);
  if (from === 'LISTEN') c.edges.add('CLOSED>LISTEN');
  c.visited.add(from).add(to);
  c.edges.add(`${from}>${to}`);
  c.state = to;
}

function take(snapshot) {
  const t = snapshot.us / 1e6;
  if (t < now - 1) conns.clear(); // another stack has taken the place of the one before
  now = t;
  for (const entry of snapshot.log) {
    if (entry.i <= newest) continue;
    newest = entry.i;
    // The engine makes a connection when the handshake completes; the listener's record was the state before.
    if (entry.from === 'CLOSED' && entry.to === 'SYN-RECEIVED') entry.from = 'LISTEN';
    if (entry.from !== undefined) moveTo(connection(entry.key), entry.from, entry.to);
    ladder.push(entry);
  }
  ladder = ladder.slice(-1000);
  const seen = new Set(), listeners = [];
  for (const data of snapshot.conns) {
    if (data.state === 'LISTEN') { listeners.push(data.key.split('/')[0]); continue; }
    if (data.own && !$('own').checked) continue;
    const c = connection(data.key);
    seen.add(data.key);
    c.own = data.own;
    // A record of TIME-WAIT has forgotten how much there was.
    if (data.state === 'TIME-WAIT') Object.assign(data, {acked: c.data.acked, received: c.data.received});
    c.data = data;
    c.gone = null;
    if (c.state !== data.state) { c.visited.add(data.state); c.state = data.state; }
    if (data.state !== 'TIME-WAIT') c.history.push({t: now, ...data});
    while (c.history.length && c.history[0].t < now - SPAN_S - 1) c.history.shift();
  }
  for (const c of conns.values()) {
    if (seen.has(c.key)) continue;
    if (c.gone === null) { c.gone = now; c.state = 'CLOSED'; c.visited.add('CLOSED'); }
    if (now - c.gone > GONE_KEPT_S && !(c.key === chosen && conns.size === 1)) conns.delete(c.key);
  }
  choose();
  listeners.sort((a, b) => a - b);
  $('listeners').textContent = listeners.length ? `Listening on ports ${listeners.join(', ')}.` : '';
  showLinks(snapshot);
  showCounters(snapshot.counters);
  press($('pause'), snapshot.paused);
  $('pause').textContent = snapshot.paused ? 'Open the window' : 'Close the window';
}
function choose() {
  for (const c of conns.values()) {
    if (!c.fresh) continue;
    c.fresh = false;
    if (!c.own) chosen = c.key;
  }
  if (chosen !== null && conns.has(chosen)) return;
  const rest = [...conns.values()].sort((a, b) => (a.gone !== null) - (b.gone !== null) || b.first - a.first);
  chosen = rest.length ? rest[0].key : null;
}
const press = (button, on) => button.setAttribute('aria-pressed', on ? 'true' : 'false');
const nameOf = key => { const [port, peer] = key.split('/'); return `:${port} – ${peer}`; };

// ---- Connections ------------------------------------------------------------------------------------------------
function showConnections() {
  const body = $('conns').tBodies[0], rows = new Map([...body.rows].map(row => [row.dataset.key, row]));
  const list = [...conns.values()].sort((a, b) => b.first - a.first || (a.key < b.key ? -1 : 1));
  for (const c of list) {
    let row = rows.get(c.key);
    if (!row) {
      row = body.insertRow(0);
      row.dataset.key = c.key;
      const button = element('button', {type: 'button'}, nameOf(c.key));
      button.addEventListener('click', () => { chosen = c.key; $('follow').checked = false; draw(); });
      row.insertCell().append(button);
      for (const label of ['State', 'Acknowledged', 'Received', 'Limit']) row.insertCell().dataset.label = label;
    }
    rows.delete(c.key);
    const d = c.data, texts = [c.state, bytes(d.acked || 0), bytes(d.received || 0),
      c.gone !== null ? 'closed' : d.state === 'TIME-WAIT' ? `waits ${time(d.left || 0)} more` : limitOf(d)];
    texts.forEach((text, i) => { if (row.cells[i + 1].textContent !== text) row.cells[i + 1].textContent = text; });
    row.className = c.gone !== null ? 'gone' : '';
    press(row.cells[0].firstChild, c.key === chosen);
  }
  for (const row of rows.values()) row.remove();
  $('none').hidden = list.length > 0;
}
function limitOf(d) {
  const parts = [d.limit || ''];
  if (d.recovery) parts.push('in recovery');
  if (d.sacked > 0) parts.push(`${d.sacked} bytes SACKed`);
  if (d.lost > 0) parts.push(`${d.lost} bytes thought lost`);
  if (d.timeouts > 0) parts.push(`${d.timeouts} timeouts without an answer`);
  if (d.timer) parts.push(`${d.timer} timer in ${time(d.left)}`);
  if (d.cc) parts.push([d.cc, d.sack && 'sack', d.ts && 'timestamps', d.ecn && 'ecn'].filter(Boolean).join(' '));
  return parts.filter(Boolean).join('; ');
}

// ---- Charts -----------------------------------------------------------------------------------------------------
const windowLines = [['cwnd', 'cwnd', 'congestion window'], ['flight', 'flight', 'in flight'],
  ['snd_wnd', 'peer', 'peer’s window'], ['rcv_wnd', 'ours', 'rill’s window'], ['ssthresh', 'thresh', 'ssthresh']];
const rttLines = [['srtt', 'cwnd', 'smoothed RTT'], ['rto', 'flight', 'RTO']];

const UNKNOWN = new Set(['cwnd', 'srtt', 'ssthresh']); // which are 0 until the handshake is done

// A logarithmic scale with 0 at its foot, so that a closed window and one of megabytes fit in one picture.
function chart(svg, legend, lines, history, format, floor) {
  const width = svg.clientWidth || 600, height = svg.clientHeight || 190, left = 58, bottom = height - 18, top = 8;
  const values = history.flatMap(h => lines.map(line => h[line[0]] || 0).filter(v => v < NONE));
  const highest = Math.max(floor * 16, ...values), decades = Math.ceil(Math.log(highest / floor) / Math.log(4));
  const y = v => v <= 0 ? bottom : v >= NONE ? top - 4
    : bottom - 10 - Math.max(0, Math.log(v / floor) / Math.log(4)) / decades * (bottom - 10 - top);
  const x = t => left + (1 - (now - t) / SPAN_S) * (width - left - 6);
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const parts = [];
  const step = Math.ceil(decades / 6);
  for (let i = 0; i <= decades; i += step) {
    const at = y(floor * 4 ** i);
    parts.push(shape('line', {class: 'axis', x1: left, x2: width, y1: at, y2: at}),
      shape('text', {class: 'axis-text', x: left - 5, y: at + 4, 'text-anchor': 'end'}, (floor === 256 ? power : time)(floor * 4 ** i)));
  }
  parts.push(shape('line', {class: 'axis', x1: left, x2: width, y1: bottom, y2: bottom}),
    shape('text', {class: 'axis-text', x: left - 5, y: bottom + 4, 'text-anchor': 'end'}, '0'));
  for (let s = 0; s <= SPAN_S; s += 10)
    parts.push(shape('text', {class: 'axis-text', x: x(now - s), y: height - 4, 'text-anchor': s ? 'middle' : 'end'}, s ? `−${s} s` : 'now'));
  for (const [field, style] of [...lines].reverse()) {
    const points = history.filter(h => h[field] !== undefined && h[field] < NONE && (h[field] > 0 || !UNKNOWN.has(field)) && h.t >= now - SPAN_S);
    let d = '';
    points.forEach((h, i) => { d += i ? `H${x(h.t).toFixed(1)}V${y(h[field]).toFixed(1)}` : `M${x(h.t).toFixed(1)} ${y(h[field]).toFixed(1)}`; });
    if (d) parts.push(shape('path', {class: `curve ${style}`, d}));
  }
  svg.replaceChildren(...parts);
  const last = history[history.length - 1] || {};
  legend.replaceChildren(...lines.map(([field, style, title]) => {
    const item = element('li'), sample = shape('svg', {viewBox: '0 0 30 8', 'aria-hidden': 'true'});
    sample.append(shape('path', {class: `curve ${style}`, d: 'M0 4H30'}));
    const value = last[field];
    item.append(sample, `${title} `, element('b', {}, value === undefined || (value === 0 && UNKNOWN.has(field)) ? '–' : value >= NONE ? 'none yet' : format(value)));
    return item;
  }));
}

// ---- The state diagram ------------------------------------------------------------------------------------------
const NODES = {
  CLOSED: [210, 22], LISTEN: [210, 96], 'SYN-RECEIVED': [62, 168], 'SYN-SENT': [358, 168], ESTABLISHED: [210, 240],
  'FIN-WAIT-1': [62, 318], 'CLOSE-WAIT': [358, 318], 'FIN-WAIT-2': [62, 406], CLOSING: [210, 406],
  'LAST-ACK': [358, 406], 'TIME-WAIT': [136, 500], 'CLOSED ': [358, 500]};
const EDGES = [ // from, to, path, label and where it stands
  ['CLOSED', 'LISTEN', 'M210 36V82', 'listen', 214, 62],
  ['CLOSED', 'SYN-SENT', 'M264 22H358V154', 'connect: send SYN', 270, 15],
  ['LISTEN', 'SYN-RECEIVED', 'M156 96H62V154', 'SYN: send SYN,ACK', 40, 89],
  ['SYN-SENT', 'SYN-RECEIVED', 'M304 168H116', 'SYN: send SYN,ACK', 164, 163],
  ['SYN-RECEIVED', 'ESTABLISHED', 'M86 182L160 226', 'ACK of SYN', 122, 194],
  ['SYN-SENT', 'ESTABLISHED', 'M334 182L260 226', 'SYN,ACK: send ACK', 290, 217],
  ['SYN-RECEIVED', 'FIN-WAIT-1', 'M40 182V304', 'close:', 44, 246, 'send FIN'],
  ['ESTABLISHED', 'FIN-WAIT-1', 'M160 254L86 304', 'close: send FIN', 116, 294],
  ['ESTABLISHED', 'CLOSE-WAIT', 'M260 254L334 304', 'FIN: send ACK', 302, 272],
  ['FIN-WAIT-1', 'FIN-WAIT-2', 'M62 332V392', 'ACK of FIN', 4, 366],
  ['FIN-WAIT-1', 'CLOSING', 'M86 332L180 392', 'FIN: send ACK', 142, 358],
  ['CLOSE-WAIT', 'LAST-ACK', 'M358 332V392', 'close: send FIN', 284, 366],
  ['FIN-WAIT-2', 'TIME-WAIT', 'M70 420L110 486', 'FIN: send ACK', 8, 462],
  ['CLOSING', 'TIME-WAIT', 'M202 420L162 486', 'ACK of FIN', 196, 452],
  ['LAST-ACK', 'CLOSED ', 'M358 420V486', 'ACK of FIN', 302, 456],
  ['TIME-WAIT', 'CLOSED ', 'M190 500H304', 'after 2 MSL', 220, 495]];

function buildStates() {
  const svg = $('states'), tip = shape('marker', {id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto', markerUnits: 'userSpaceOnUse'});
  tip.append(shape('path', {d: 'M0 0L8 4L0 8Z', fill: 'context-stroke'}));
  const defs = shape('defs');
  defs.append(tip);
  svg.append(defs);
  for (const [from, to, d, label, x, y, second] of EDGES) {
    const g = shape('g', {class: 'edge', 'data-edge': `${from}>${to.trim()}`});
    g.append(shape('path', {d, 'marker-end': 'url(#tip)'}), shape('text', {x, y}, label));
    if (second) g.append(shape('text', {x, y: y + 12}, second));
    svg.append(g);
  }
  for (const [name, [x, y]] of Object.entries(NODES)) {
    const g = shape('g', {class: 'node', 'data-state': name.trim(), 'data-node': name});
    g.append(shape('rect', {x: x - 54, y: y - 14, width: 108, height: 28, rx: 7}), shape('text', {x, y: y + 4}, name.trim()));
    svg.append(g);
  }
}
function showStates(c) {
  for (const edge of $('states').querySelectorAll('.edge')) edge.classList.toggle('seen', !!c && c.edges.has(edge.dataset.edge));
  const ended = c && c.edges.size > 0 && c.state === 'CLOSED';
  for (const node of $('states').querySelectorAll('.node')) {
    const name = node.dataset.state, second = node.dataset.node.endsWith(' ');
    let lit = !!c && c.state === name, seen = !!c && c.visited.has(name);
    if (name === 'CLOSED') { lit = lit && second === !!ended; seen = second ? !!ended : seen; }
    node.classList.toggle('now', lit);
    node.classList.toggle('seen', seen);
  }
  const text = !c ? '' : `is in `, old = $('state-now');
  if (!c) { if (old.textContent) old.textContent = ''; return; }
  const told = `${c.key} ${c.state}`;
  if (old.dataset.told === told) return;
  old.dataset.told = told;
  old.replaceChildren(text, element('b', {}, c.state), c.gone !== null ? ' (it is gone)' : '');
  $('states').setAttribute('aria-label', `The state diagram of TCP; ${nameOf(c.key)} is in ${c.state}`);
}

// ---- The ladder -------------------------------------------------------------------------------------------------
const FLAGS = {S: 'SYN', F: 'FIN', R: 'RST', P: 'PSH', '.': 'ACK', U: 'URG', E: 'ECE', W: 'CWR'};
const DROPPED = {loss: 'lost: random loss', list: 'dropped: on the list', blackout: 'lost: blackout', limit: 'dropped: the link’s queue is full', memory: 'dropped: no memory'};
const CHANGED = {corrupt: 'corrupted by the link', reorder: 'overtakes others', duplicate: 'duplicated by the link'};

function rung(entry) {
  const row = element('li'), body = element('div', {class: 'body'});
  row.append(element('time', {}, (entry.us / 1e6).toFixed(3)), body);
  if (entry.from !== undefined) {
    body.classList.add('change');
    body.textContent = `${$('all').checked ? nameOf(entry.key) + ': ' : ''}${entry.from} → ${entry.to}`;
    return row;
  }
  const flags = [...entry.f].map(f => FLAGS[f]).join(' '), range = entry.n ? ` ${entry.s}:${entry.s + entry.n} (${entry.n})` : ` ${entry.s}`;
  const label = `${flags}${range}${entry.f.includes('.') ? ` ack ${entry.a}` : ''}${entry.w !== undefined ? ` win ${entry.w}` : ''}`;
  row.className = `${entry.d}${entry.again ? ' again' : ''}${DROPPED[entry.fate] ? ' cut' : ''}`;
  // RFC 2883 4: a first block below the acknowledgement, or inside of the second one, came twice.
  const blocks = entry.k || [], twice = blocks.length > 0 && (blocks[0][1] <= entry.a ||
    (blocks.length > 1 && blocks[0][0] >= blocks[1][0] && blocks[0][1] <= blocks[1][1]));
  const sack = blocks.map((b, i) => `${i === 0 && twice ? 'dsack ' : i === (twice ? 1 : 0) ? 'sack ' : ''}${b[0]}:${b[1]}`).join(' ');
  const why = [DROPPED[entry.fate] || CHANGED[entry.fate], entry.again ? 'again' : '', sack, entry.why].filter(Boolean).join('; ');
  if ($('all').checked) body.append(element('div', {class: 'why'}, nameOf(entry.key)));
  body.append(element('div', {class: 'label'}, label), element('div', {class: 'arrow', 'aria-hidden': 'true'}));
  if (why) body.append(element('div', {class: 'why'}, why));
  row.setAttribute('aria-label', `${entry.d === 'out' ? 'rill to peer' : 'peer to rill'}: ${label}${why ? '; ' + why : ''}`);
  return row;
}
let rungs = '';
function showLadder() {
  if (held) return;
  const all = $('all').checked;
  let list = ladder.filter(entry => all || entry.key === chosen);
  // A segment that was lost whole on its way out is one row, cut; a part of a larger one is a row of its own.
  const whole = new Set();
  list = list.map((entry, i) => {
    const last = list[i + 1];
    if (entry.d === 'out' && !entry.fate && last && last.fate && last.d === 'out' && last.key === entry.key && last.s === entry.s && last.n === entry.n) {
      whole.add(last);
      return {...entry, fate: last.fate};
    }
    return entry;
  }).filter(entry => !whole.has(entry)).slice(-LADDER_MAX);
  const mark = `${all}${chosen}${list.length ? list[0].i + '-' + list[list.length - 1].i : ''}`;
  if (mark === rungs) return;
  rungs = mark;
  const box = $('ladder'), atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
  box.replaceChildren(...list.map(rung));
  if (atEnd || box.dataset.of !== chosen) box.scrollTop = box.scrollHeight;
  box.dataset.of = chosen;
}

// ---- Links ------------------------------------------------------------------------------------------------------
const RATES = ['8kbit', '32kbit', '64kbit', '128kbit', '256kbit', '512kbit', '1mbit', '2mbit', '5mbit', '10mbit', '50mbit', '100mbit', null];
const PRESETS = {
  'perfect': ['', ''], 'slow: 512 kbit/s, 20 ms': ['delay 20ms rate 512kbit', 'delay 20ms'],
  'lossy: 3 %, 2 Mbit/s, 20 ms': ['loss 3% delay 20ms rate 2mbit', 'delay 20ms'],
  'far away: 250 ms, 5 Mbit/s': ['delay 250ms rate 5mbit', 'delay 250ms'],
  'ACKs get lost: 30 % in': ['delay 20ms rate 2mbit', 'loss 30% delay 20ms'],
  'out of order: 20 %': ['delay 30ms reorder 20% rate 5mbit', ''],
  'nothing gets out': ['loss 100%', '']};
const WORDS = ['loss', 'duplicate', 'corrupt', 'delay', 'reorder', 'rate', 'limit', 'seed', 'blackout', 'drop', 'port', 'except'];

// The clauses of a specification, by their first words; the sliders change theirs and leave the others alone.
function clauses(spec) {
  const list = [];
  for (const word of spec.split(/\s+/).filter(word => word && word !== 'none')) {
    const inner = list.length && ((list[list.length - 1][0] === 'except' && word === 'port'));
    if (WORDS.includes(word) && !inner) list.push([word]);
    else if (list.length) list[list.length - 1].push(word);
  }
  return list;
}
function changed(spec, word, value) {
  const list = clauses(spec), at = list.findIndex(clause => clause[0] === word);
  const rest = at >= 0 && word === 'delay' && value && list[at].length > 2 ? list[at].slice(2) : [];
  if (at >= 0) list.splice(at, 1);
  if (value) list.unshift([word, value, ...rest]);
  return list.map(clause => clause.join(' ')).join(' ') || 'none';
}
const links = {};
function buildLinks() {
  for (const set of document.querySelectorAll('fieldset[data-dir]')) {
    const dir = set.dataset.dir, text = () => set.querySelector('.spec input');
    set.append($('link').content.cloneNode(true));
    links[dir] = {set, spec: '', text: text()};
    for (const input of set.querySelectorAll('input[type=range]')) {
      const label = () => input.nextElementSibling.textContent = slid(input).label;
      input.addEventListener('input', label);
      input.addEventListener('change', () => post('/link', {dir, spec: changed(links[dir].spec, input.dataset.set, slid(input).value)}));
    }
    set.querySelector('.drop').addEventListener('click', () => post('/drop-next-data', {dir}));
    set.querySelector('.drop').setAttribute('aria-label', `Drop the next data segment ${dir === 'out' ? 'out of' : 'into'} rill`);
    set.querySelector('form').addEventListener('submit', event => { event.preventDefault(); text().blur(); post('/link', {dir, spec: text().value.trim() || 'none'}); });
  }
  for (const name of Object.keys(PRESETS)) $('preset').append(element('option', {value: name}, name));
  $('preset').addEventListener('change', async event => {
    const preset = PRESETS[event.target.value];
    if (preset && await post('/link', {dir: 'out', spec: preset[0] || 'none'})) await post('/link', {dir: 'in', spec: preset[1] || 'none'});
    event.target.value = '';
  });
}
function slid(input) {
  const n = Number(input.value);
  if (input.dataset.set === 'loss') return {label: `${n} %`, value: n ? `${n}%` : null};
  if (input.dataset.set === 'delay') return {label: `${n} ms`, value: n ? `${n}ms` : null};
  return {label: RATES[n] ? RATES[n].replace(/(\d+)(\w)bit/, '$1 $2bit/s') : 'no limit', value: RATES[n]};
}
const SCALE = {us: .001, ms: 1, s: 1000, bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9};
const number = text => { const m = /^([\d.]+)([a-z%]*)$/.exec(text || ''); return m ? Number(m[1]) * (SCALE[m[2]] || 1) : 0; };
function showLinks(snapshot) {
  for (const dir of ['in', 'out']) {
    const link = links[dir], spec = snapshot[dir] === 'none' ? '' : snapshot[dir];
    if (link.spec === spec && link.shown) continue;
    link.spec = spec;
    link.shown = true;
    if (document.activeElement !== link.text) link.text.value = spec;
    const found = Object.fromEntries(clauses(spec).map(clause => [clause[0], number(clause[1])]));
    for (const input of link.set.querySelectorAll('input[type=range]')) {
      const what = input.dataset.set;
      let value = found[what] || 0;
      if (what === 'rate') value = value ? RATES.slice(0, -1).reduce((best, rate, i) => Math.abs(Math.log(number(rate) / value)) < Math.abs(Math.log(number(RATES[best]) / value)) ? i : best, 0) : RATES.length - 1;
      input.value = value;
      input.nextElementSibling.textContent = slid(input).label;
    }
  }
}

// ---- Counters, and asking for things ----------------------------------------------------------------------------
function showCounters(counters) {
  if (!$('counters').closest('details').open) return;
  const body = element('tbody');
  for (const [text, n] of Object.entries(counters)) {
    const row = body.insertRow();
    row.insertCell().textContent = n.toLocaleString('en');
    row.insertCell().textContent = text;
  }
  $('counters').tBodies[0].replaceWith(body);
}
function complain(text) {
  $('message').textContent = text;
  $('message').hidden = !text;
}
async function post(path, body) {
  try {
    const answer = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
    complain(answer.ok ? '' : (await answer.json()).error);
    return answer.ok;
  } catch (error) {
    complain(`${path}: ${error.message}`);
    return false;
  }
}

// ---- Drawing, at most once a frame ------------------------------------------------------------------------------
let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const c = conns.get(chosen);
    showConnections();
    $('detail-title').textContent = c ? `rill${nameOf(c.key)}` : 'No connection is chosen';
    chart($('chart-window'), $('legend-window'), windowLines, c ? c.history : [], bytes, 256);
    chart($('chart-rtt'), $('legend-rtt'), rttLines, c ? c.history : [], time, 16);
    showStates(c);
    showLadder();
  });
}
function live(on) {
  connected = on;
  $('live').classList.toggle('on', on);
  const text = on ? 'live' : 'no connection to the stack; trying again';
  if ($('live-text').textContent !== text) $('live-text').textContent = text;
}

buildLinks();
buildStates();
for (const button of document.querySelectorAll('[data-transfer]'))
  button.addEventListener('click', () => { $('follow').checked = true; post('/transfer', {dir: button.dataset.transfer, bytes: Number($('size').value)}); });
$('pause').addEventListener('click', () => post('/pause', {on: $('pause').getAttribute('aria-pressed') !== 'true'}));
$('stop').addEventListener('click', () => post('/stop', {}));
$('freeze').addEventListener('click', () => { held = !held; press($('freeze'), held); draw(); });
for (const id of ['all', 'own']) $(id).addEventListener('change', draw);
addEventListener('resize', draw);
const source = new EventSource('/events');
source.onopen = () => { newest = 0; ladder = []; rungs = ''; live(true); };
source.onerror = () => live(false);
source.onmessage = event => { take(JSON.parse(event.data)); draw(); };
draw();
