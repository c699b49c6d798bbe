"use strict";
// The table of marks, as sheet.py writes and reads it: one result a line. `pool`, `results`, `numberOf`,
// `numberOfShown` and `state` are those of judge.js, which follows in the same script.

function shownCell(text) { // as `shown_cell` in sheet.py: a spreadsheet shows it and does not compute it
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function shownId(text) { // as `shown_id` in sheet.py: no two ids are shown alike
  return /^[=+\-@\t\r']/.test(text) ? `'${text}` : text;
}

function csvText() {
  const rows = results.map((result, number) => {
    const query = pool.queries[result.query];
    const ids = [query.id, result.passage, result.document].map(shownId);
    const texts = [query.text, result.title.join(""), result.text.join("")].map(shownCell);
    const mark = state.marks[number];
    return [pool.pool, ...ids, ...texts, mark === NONE ? "" : mark];
  });
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return "\ufeff" + [pool.columns, ...rows].map((row) => row.map(quoted).join(",") + "\r\n").join("");
}

function parseCsv(text, delimiter) {
  const rows = [[""]];
  let isQuoted = false;
  for (let position = 0; position < text.length; position += 1) {
    const letter = text[position];
    const row = rows[rows.length - 1];
    if (isQuoted && letter === '"' && text[position + 1] === '"') {
      row[row.length - 1] += '"';
      position += 1;
    } else if (letter === '"') isQuoted = !isQuoted;
    else if (!isQuoted && letter === delimiter) row.push("");
    else if (!isQuoted && letter === "\n") rows.push([""]);
    else if (isQuoted || letter !== "\r") row[row.length - 1] += letter;
  }
  return rows.filter((row) => row.some((cell) => cell.trim()));
}

function marksOf(text) {
  const plain = text.replace(/^\ufeff/, "");
  const header = plain.split("\n", 1)[0];
  const delimiter = [",", ";", "\t"].reduce((best, mark) => (header.split(mark).length > header.split(best).length ? mark : best));
  const [names, ...rows] = parseCsv(plain, delimiter).map((row) => row.map((cell) => cell.trim()));
  const columns = ["pool", "query_id", "passage_id", "grade"].map((name) => (names || []).indexOf(name));
  if (columns.includes(-1)) throw new Error("it has no columns pool, query_id, passage_id and grade");
  const marks = new Map();
  rows.forEach((row, line) => {
    const [name, queryId, passageId, mark] = columns.map((column) => row[column] ?? "");
    const pair = pairName(queryId, passageId);
    const number = numberOfShown.get(pair) ?? numberOf.get(pair);
    if (name !== pool.pool) throw new Error(`row ${line + 2} is of another pool, ${name}`);
    if (number === undefined) throw new Error(`row ${line + 2} names the unknown result ${queryId}, ${passageId}`);
    if (mark && !pool.grades.includes(mark)) throw new Error(`row ${line + 2} has the mark ${mark}`);
    if (!mark) return;
    if ((marks.get(number) ?? mark) !== mark) throw new Error(`row ${line + 2} has a second mark for ${queryId}, ${passageId}`);
    marks.set(number, mark);
  });
  return [...marks];
}

