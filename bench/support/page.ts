import { parseHTML } from 'linkedom';

const template = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title></title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; }
  th, td { padding: 0.2rem 0.8rem; text-align: right; font-variant-numeric: tabular-nums; }
  th:first-child, td:first-child { text-align: left; }
  li { margin-bottom: 0.3rem; }
  tr { border-bottom: 1px solid #ddd; }
</style>
</head>
<body></body>
</html>`;

/**
 * A report of one HTML file. Text goes in as textContent, so that the name of a file is never read
 * as markup.
 */
export class Page {
  readonly #document = parseHTML(template).document;

  constructor(title: string) {
    this.#document.querySelector('title')!.textContent = title;
    this.#append('h1', title);
  }

  heading(text: string): void {
    this.#append('h2', text);
  }

  paragraph(text: string): void {
    this.#append('p', text);
  }

  list(items: readonly string[]): void {
    const list = this.#append('ul');
    for (const item of items) this.#append('li', item, list);
  }

  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    const table = this.#append('table');
    const addRow = (tag: string, texts: readonly string[]): void => {
      const row = this.#append('tr', '', table);
      for (const text of texts) this.#append(tag, text, row);
    };
    addRow('th', header);
    for (const row of rows) addRow('td', row);
  }

  drawing(svg: string): void {
    this.#append('div').innerHTML = svg;
  }

  toString(): string {
    return `${this.#document.toString()}\n`;
  }

  #append(tag: string, text = '', parent: Element = this.#document.body): Element {
    const element = this.#document.createElement(tag);
    element.textContent = text;
    return parent.appendChild(element);
  }
}
