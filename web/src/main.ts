import { mount } from 'svelte';
import './app.css';
import { app } from './state/app.svelte';
import App from './ui/App.svelte';

const target = document.getElementById('app')!;
target.replaceChildren(); // the outline stood there for the first frame
mount(App, { target });
void app.start();
