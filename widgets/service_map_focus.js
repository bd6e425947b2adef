// The neighbourhood of one node, placed anew: callers in columns to the left, callees to the right, by hops. Columns keep
// the order from top to bottom that the nodes have in the whole map, so that a reader finds them again.

const FOCUS_GAP = { column: 110, row: 18, margin: 26 };
const FOCUS_BULGE = 34;

/** Node number -> signed distance: calls lead from -hops over 0 to +hops. Nothing else is part of the picture. */
function distances(picture, start, hops) {
  const found = new Map([[start, 0]]);
  for (const [from, to, sign] of [[0, 1, 1], [1, 0, -1]]) {
    let ring = new Set([start]);
    for (let hop = 1; hop <= hops; hop++) {
      const next = new Set();
      for (const { ends } of picture.edges) {
        if (!ring.has(ends[from]) || found.has(ends[to])) continue;
        found.set(ends[to], sign * hop);
        next.add(ends[to]);
      }
      ring = next;
    }
  }
  return found;
}

/** Places and paths as the whole map has them: {width, height, nodes: Map(number -> [x, y]), edges: Map(number -> ...)}. */
function neighbourhood(picture, start, hops) {
  const distance = distances(picture, start, hops);
  const [boxWidth, boxHeight] = picture.box;
  const downwards = (a, b) => picture.nodes[a].y - picture.nodes[b].y || a - b;
  const columns = [...new Set(distance.values())].sort((a, b) => a - b)
    .map((column) => [...distance.keys()].filter((node) => distance.get(node) === column).sort(downwards));
  const pitch = boxHeight + FOCUS_GAP.row;
  const tallest = Math.max(...columns.map((members) => members.length)) * pitch - FOCUS_GAP.row;
  const nodes = new Map();
  columns.forEach((members, index) => {
    const top = FOCUS_GAP.margin + (tallest - (members.length * pitch - FOCUS_GAP.row)) / 2;
    members.forEach((node, row) => nodes.set(node, [FOCUS_GAP.margin + index * (boxWidth + FOCUS_GAP.column), top + row * pitch]));
  });
  return {
    width: columns.length * (boxWidth + FOCUS_GAP.column) - FOCUS_GAP.column + 2 * FOCUS_GAP.margin,
    height: tallest + 2 * FOCUS_GAP.margin,
    nodes,
    edges: routes(picture, nodes),
  };
}

/** Curves between the sides of boxes; the edges at one side share it in the order of their other ends. */
function routes(picture, places) {
  const [boxWidth, boxHeight] = picture.box;
  const kept = picture.edges.map((edge, index) => ({ edge, index })).filter(({ edge }) => edge.ends.every((end) => places.has(end)));
  const sides = new Map();
  const ports = new Map();
  for (const { edge, index } of kept) {
    const [source, target] = edge.ends;
    const flow = Math.sign(places.get(target)[0] - places.get(source)[0]); // 0: both ends at the right side
    for (const [end, node, other, right] of [[0, source, target, flow >= 0], [1, target, source, flow <= 0]]) {
      const key = `${node} ${right}`;
      const [x, y] = places.get(node);
      if (!sides.has(key)) sides.set(key, []);
      sides.get(key).push({ index, end, goal: places.get(other)[1], x: x + (right ? boxWidth : 0), y: y + boxHeight / 2 });
    }
  }
  for (const members of sides.values()) {
    members.sort((a, b) => a.goal - b.goal || a.index - b.index);
    const step = Math.min(8, (boxHeight - 14) / Math.max(1, members.length - 1));
    members.forEach(({ index, end, x, y }, place) => ports.set(`${index} ${end}`, [x, y + step * (place - (members.length - 1) / 2)]));
  }
  const busy = new Map();
  const found = new Map(kept.map(({ edge, index }) => {
    if (edge.ends[0] === edge.ends[1]) return [index, null]; // drawn as in the whole map, moved with its box
    return [index, drawn(detour(picture, places, busy, ports.get(`${index} 0`), ports.get(`${index} 1`)), edge.width)];
  }));
  placeLabels(picture, places, found);
  return found;
}

/** The first of a few places along each edge where its label covers neither a label nor a box; else it has none. */
function placeLabels(picture, places, found) {
  const [boxWidth, boxHeight] = picture.box;
  const taken = [...places.values()].map(([x, y]) => [x - 2, y - 2, x + boxWidth + 2, y + boxHeight + 2]);
  const loudFirst = [...found.keys()].sort((a, b) => picture.edges[b].errors - picture.edges[a].errors || a - b);
  for (const index of loudFirst) {
    const route = found.get(index);
    if (!route) continue;
    const half = 3.6 * edgeLabel(picture.edges[index]).length + 4;
    for (const t of [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8]) {
      const [x, y] = route.at(t);
      const room = [x - half, y - 8, x + half, y + 8];
      if (taken.some((other) => room[0] < other[2] && other[0] < room[2] && room[1] < other[3] && other[1] < room[3])) continue;
      taken.push(room);
      route.label = [x, y];
      break;
    }
  }
}

/** Through every column between two boxes by the gap nearest to the straight way; edges in one gap lie side by side. */
function detour(picture, places, busy, start, end) {
  const [boxWidth, boxHeight] = picture.box;
  const rightwards = start[0] < end[0];
  const inside = (x) => x > Math.min(start[0], end[0]) && x + boxWidth < Math.max(start[0], end[0]);
  const columns = [...new Set([...places.values()].map(([x]) => x))].filter(inside).sort((a, b) => (rightwards ? a - b : b - a));
  const points = columns.flatMap((x) => {
    const tops = [...places.values()].filter((place) => place[0] === x).map((place) => place[1]).sort((a, b) => a - b);
    const gaps = [tops[0] - FOCUS_GAP.row / 2, ...tops.map((top) => top + boxHeight + FOCUS_GAP.row / 2)];
    const straight = start[1] + ((end[1] - start[1]) * (x + boxWidth / 2 - start[0])) / (end[0] - start[0]);
    const gap = gaps.reduce((best, y) => (Math.abs(y - straight) < Math.abs(best - straight) ? y : best));
    const order = busy.get(`${x} ${gap}`) ?? 0;
    busy.set(`${x} ${gap}`, order + 1);
    const y = gap + [0, 5, -5][order % 3];
    return rightwards ? [[x, y], [x + boxWidth, y]] : [[x + boxWidth, y], [x, y]];
  });
  return [start, ...points, end];
}

/** Curves and straight pieces in turn, as the whole map's routes are; labels lie on the first curve. */
function drawn(points, width) {
  const [x1, y1] = points.at(-1);
  const beside = Math.abs(points[0][0] - x1) < 1;
  const inwards = beside || x1 < points.at(-2)[0] ? -1 : 1;
  const length = 6 + width, half = 2.6 + 0.8 * width, back = x1 - inwards * length;
  const all = [...points.slice(0, -1), [x1 - inwards * (length - 1), y1]];
  const bend = (a, b) => (beside ? a[0] + FOCUS_BULGE : (a[0] + b[0]) / 2);
  const pieces = all.slice(1).map((to, index) => {
    const from = all[index], middle = bend(from, to);
    return index % 2 ? `L${to[0]} ${to[1]}` : `C${middle} ${from[1]} ${middle} ${to[1]} ${to[0]} ${to[1]}`;
  });
  const at = (t) => {
    const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
    return [a * all[0][0] + (b + c) * bend(all[0], all[1]) + d * all[1][0], (a + b) * all[0][1] + (c + d) * all[1][1]];
  };
  const line = `M${all[0][0]} ${all[0][1]}${pieces.join("")}`;
  return { line, head: `M${x1} ${y1}L${back} ${y1 - half}V${y1 + half}Z`, middle: at(0.5), at };
}
