import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import '@fontsource-variable/inter/wght.css';
import '@fontsource/jetbrains-mono/latin-400.css';
import '@fontsource/jetbrains-mono/cyrillic-400.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Bar } from './Bar';
import { examplesPlugin } from './ExamplesPlugin';
import { examples } from './examples';
import { createFetcher } from './fetcher';
import { Session } from './session';
import './style.css';

const session = new Session();
const fetcher = createFetcher(session);
void session.refresh();

const tabs = examples.map(({ query, variables }) => ({ query, variables }));
const plugins = [examplesPlugin];

// GraphiQL fills its editors from the stored tabs, and on a first visit from
// these two alone.
const first = localStorage.getItem('graphiql:tabState') ? {} : tabs[0];

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <Bar session={session} />
    <main>
      <GraphiQL
        fetcher={fetcher}
        plugins={plugins}
        defaultTabs={tabs}
        {...first}
        forcedTheme="dark"
        isHeadersEditorEnabled={false}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo> </GraphiQL.Logo>
      </GraphiQL>
    </main>
  </StrictMode>,
);
