import { type GraphiQLPlugin, useEditorContext, usePluginStore } from '@graphiql/react';
import { useEffect, useState } from 'react';
import { type Example, examples } from './examples';

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
      <path d="M4 6h16M4 12h16M4 18h10" strokeLinecap="round" />
    </svg>
  );
}

function Examples() {
  const editor = useEditorContext({ nonNull: true });
  const { setVisiblePlugin } = usePluginStore();
  const [opening, setOpening] = useState<{ example: Example; tabs: number } | null>(null);

  // A new tab exists only after the next render; then its editors are filled.
  useEffect(() => {
    if (!opening || editor.tabs.length <= opening.tabs) return;
    editor.queryEditor?.setValue(opening.example.query);
    editor.variableEditor?.setValue(opening.example.variables ?? '');
    setOpening(null);
    setVisiblePlugin(null);
  }, [opening, editor, setVisiblePlugin]);

  const open = (example: Example) => {
    const there = editor.tabs.findIndex((t) => t.query === example.query);
    if (there >= 0) {
      editor.changeTab(there);
      return;
    }
    setOpening({ example, tabs: editor.tabs.length });
    editor.addTab();
  };

  return (
    <section aria-label="Examples">
      <h2 className="examples-title">Examples</h2>
      <ul className="examples">
        {examples.map((e) => (
          <li key={e.name}>
            <button type="button" onClick={() => open(e)}>
              <strong>{e.name}</strong>
              <span>{e.about}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export const examplesPlugin: GraphiQLPlugin = { title: 'Examples', icon: Icon, content: Examples };
